import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';
import { OPEN_VALUES_MAX } from './metrics/labels.ts';
import { createMetrics } from './metrics.ts';

test('metrics are scraped with their present values, and registries do not share', async () => {
  const metrics = createMetrics();
  let hits = 3;
  metrics.counted('test_hits_total', 'Hits', () => hits);
  metrics.gauge('test_waiting', 'Waiting', () => hits * 2);
  let age: number | undefined;
  metrics.gauge('test_age_seconds', 'Age', () => age);
  metrics.counter('test_errors_total', { help: 'Errors', labels: { code: ['x', 'y'] } }).inc({ code: 'x' });
  metrics.histogram('test_duration_seconds', { help: 'Duration', buckets: [1, 2] }).observe({}, 1.5);
  assert.match(await metrics.registry.metrics(), /test_hits_total 3\n/);
  hits = 5;
  const text = await metrics.registry.metrics();
  assert.match(text, /test_hits_total 5\n/);
  assert.match(text, /test_waiting 10\n/);
  assert.doesNotMatch(text, /test_age_seconds \d/);
  for (const [value, shown] of [
    [7, true],
    [undefined, false],
  ] as const) {
    age = value;
    assert.equal(/test_age_seconds 7\n/.test(await metrics.registry.metrics()), shown);
  }
  assert.match(text, /test_errors_total\{code="x"\} 1\n/);
  assert.match(text, /test_duration_seconds_bucket\{le="2"\} 1\n/);
  assert.equal(await createMetrics().registry.metrics(), '\n');
});

test('log lines are JSON with service, time and level, and secrets are redacted', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'info', service: 'test' }, { write: (line) => lines.push(line) });
  log.debug('not written');
  log.info({ traceId: 'abc', authorization: 'Bearer secret', password: 'secret' }, 'hello');
  assert.equal(lines.length, 1);
  const line = JSON.parse(lines[0] as string);
  assert.deepEqual([line.service, line.level, line.msg, line.traceId], ['test', 'info', 'hello', 'abc']);
  assert.doesNotMatch(lines[0] as string, /secret/);
  assert(!Number.isNaN(Date.parse(line.time)));
});

test('labels are those declared, with the values declared, and open values are bounded', async () => {
  const metrics = createMetrics();
  const ends = metrics.counter('test_ends_total', { help: 'Ends', labels: { end: ['done', 'failed'] } });
  ends.inc({ end: 'done' }, 2);
  assert.throws(() => ends.inc({ end: 'lost' }), /end is none of done, failed: lost/);
  assert.throws(() => ends.inc({}), /needs the label end/);
  assert.throws(() => ends.inc({ end: 'done', more: 'x' }), /has the labels end/);
  const open = metrics.histogram('test_seconds', { help: 'Seconds', labels: { route: { of: 'routes' } } });
  for (let i = 0; i < OPEN_VALUES_MAX + 50; i++) open.observe({ route: `/${i}` }, 0.2);
  const text = await metrics.registry.metrics();
  assert.match(text, /test_seconds_count\{route="\/7"\} 1\n/);
  assert.match(text, /test_seconds_count\{route="other"\} 50\n/);
  assert.match(text, /test_seconds_bucket\{le="0.1",route="other"\} 0\n/);
  assert.match(text, /test_seconds_bucket\{le="0.25",route="other"\} 50\n/);
  assert.match(text, /test_seconds_bucket\{le="\+Inf",route="other"\} 50\n/);
});

test('rooms have parts of one metric, each with labels of its own, if they declare it alike', async () => {
  const metrics = createMetrics();
  const declare = (help: string) =>
    metrics.gauges('test_open', { help, labels: { role: { of: 'roles' } }, across: 'max' });
  let inUse: number | undefined = 3;
  declare('Open').watch({ role: 'app' }, () => inUse);
  declare('Open').watch({ role: 'system' }, () => 5);
  assert.throws(() => declare('Something else'), /test_open is declared in two ways/);
  const shown = async () => (await metrics.registry.metrics()).match(/^test_open\{.*$/gm);
  assert.deepEqual(await shown(), ['test_open{role="app"} 3', 'test_open{role="system"} 5']);
  inUse = undefined;
  assert.deepEqual(await shown(), ['test_open{role="system"} 5'], 'without a value it is not shown');
  const redirects = metrics.counts('test_made_total', { help: 'Made', labels: { result: ['hit', 'miss'] } });
  redirects.watch({ result: 'hit' }, () => 7);
  assert.match(await metrics.registry.metrics(), /test_made_total\{result="hit"\} 7\n/);
});
