import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock';
import { withSignal } from '#base/deadline';
import { createMetrics, type Metrics } from '#base/metrics';
import type { MetricsSnapshot } from './child-messages.ts';
import type { Child } from './child-process.ts';
import { createGatheredMetrics } from './gathered-metrics.ts';

/** What a process measures; `counted` requests, of which each took a second. */
function measure(counted: number, waiting: number): Metrics {
  const metrics = createMetrics();
  metrics.counter('made_total', { help: 'Made', labels: { kind: ['x'] } }).inc({ kind: 'x' }, counted);
  const took = metrics.histogram('took_seconds', { help: 'Took', buckets: [1, 2] });
  for (let i = 0; i < counted; i++) took.observe({}, 1);
  metrics.gauge('open', 'Open', () => counted);
  metrics.gauge('waiting', 'Waiting', () => waiting, 'max');
  return metrics;
}

const snapshotOf = async (metrics: Metrics) => (await metrics.registry.getMetricsAsJSON()) as MetricsSnapshot;

type Answering = Pick<Child, 'isReady' | 'hasExited' | 'metrics' | 'lastMetrics'>;

async function answering(metrics: Metrics): Promise<Answering> {
  const snapshot = await snapshotOf(metrics);
  return {
    isReady: () => true,
    hasExited: () => false,
    metrics: async () => snapshot,
    lastMetrics: () => snapshot,
  };
}

function gatherFrom(living: Answering[]) {
  return createGatheredMetrics({ clock: systemClock, living: () => living as Child[], crashes: () => 3 });
}

test('counters and histograms add up, gauges too unless all read the same', async () => {
  const text = await gatherFrom([await answering(measure(2, 7)), await answering(measure(3, 5))]).gather();
  assert.match(text, /^made_total\{kind="x"\} 5$/m);
  assert.match(text, /^took_seconds_count 5$/m);
  assert.match(text, /^took_seconds_bucket\{le="1"\} 5$/m);
  assert.match(text, /^open 5$/m);
  assert.match(text, /^waiting 7$/m);
  assert.match(text, /^loadstone_processes_serving 2$/m);
  assert.match(text, /^loadstone_processes_ended_total 3$/m);
});

test('what one that has ended had counted stays in, and its gauges go', async () => {
  const living = [await answering(measure(2, 1)), await answering(measure(3, 1))];
  const gathered = gatherFrom(living);
  for (const gone of living.splice(0)) gathered.keep(gone);
  living.push(await answering(measure(1, 1)));
  const text = await gathered.gather();
  assert.match(text, /^made_total\{kind="x"\} 6$/m);
  assert.match(text, /^took_seconds_sum 6$/m);
  assert.match(text, /^open 1$/m);
});

test('one that does not answer in time is counted as silent, with the counters it last told', async () => {
  const silent = {
    ...(await answering(measure(4, 1))),
    metrics: (signal: AbortSignal) => withSignal(new Promise<MetricsSnapshot>(() => {}), signal),
  };
  const text = await gatherFrom([silent, await answering(measure(1, 1))]).gather();
  assert.match(text, /^made_total\{kind="x"\} 5$/m);
  assert.match(text, /^open 1$/m);
  assert.match(text, /^loadstone_processes_silent 1$/m);
});

test('one that ends while others still answer is counted once', async () => {
  const told = Promise.withResolvers<MetricsSnapshot>();
  const slow = { ...(await answering(measure(1, 1))), metrics: () => told.promise };
  const ending = await answering(measure(2, 1));
  const living = [slow, ending];
  const gathered = gatherFrom(living);
  const gathering = gathered.gather();
  living.pop();
  gathered.keep(ending);
  told.resolve(slow.lastMetrics());
  assert.match(await gathering, /^made_total\{kind="x"\} 3$/m);
  assert.match(await gathered.gather(), /^made_total\{kind="x"\} 3$/m);
});

test('one that ends before it answers is counted all the same', async () => {
  const gone = Promise.withResolvers<MetricsSnapshot>();
  let hasExited = false;
  const ending = {
    ...(await answering(measure(2, 1))),
    metrics: () => gone.promise,
    hasExited: () => hasExited,
  };
  const living = [ending];
  const gathered = gatherFrom(living);
  const gathering = gathered.gather();
  hasExited = true;
  living.pop();
  gathered.keep(ending);
  gone.reject(new Error('it has ended'));
  const text = await gathering;
  assert.match(text, /^made_total\{kind="x"\} 2$/m);
  assert.match(text, /^loadstone_processes_silent 0$/m);
});
