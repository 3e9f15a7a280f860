/**
 * The metrics of several processes as one: counters and histograms add up, gauges as their metrics say. What a process
 * that has ended had counted stays in, so that no sum goes back, which would look like a restart of everything.
 */
import { AggregatorRegistry } from 'prom-client';
import type { Clock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { createMetrics } from '#base/metrics';
import type { MetricsSnapshot } from './child-messages.ts';
import type { Child } from './child-process.ts';

export interface GatheredMetrics {
  /** The metrics of all processes, as text. */
  gather(): Promise<string>;
  /** Keeps what one that has ended has counted. */
  keep(child: Pick<Child, 'lastMetrics'>): void;
}

/** What does not answer in this time is left out. */
const ANSWER_MS_MAX = 1000;

/** What only ever grows, and stays true of a process that is gone or silent. */
function countsOf(snapshot: MetricsSnapshot): MetricsSnapshot {
  return snapshot.filter(({ type }) => ['counter', 'histogram'].includes(String(type)));
}

const sum = (snapshots: readonly MetricsSnapshot[]) => AggregatorRegistry.aggregate([...snapshots]);

export function createGatheredMetrics(deps: {
  clock: Clock;
  living: () => Child[];
  crashes: () => number;
}): GatheredMetrics {
  let departed: Promise<MetricsSnapshot> = Promise.resolve([]);
  let silent = 0;
  const own = createMetrics();
  own.gauge('loadstone_processes_serving', 'Processes that serve behind one socket', () => {
    return deps.living().filter((child) => child.isReady()).length;
  });
  own.gauge(
    'loadstone_processes_silent',
    'Processes that did not tell their metrics in time: of these, counters are as they last told, and gauges missing',
    () => silent,
  );
  own.counted('loadstone_processes_ended_total', 'Processes that have ended unasked', deps.crashes);

  async function ask(child: Child, signal: AbortSignal) {
    try {
      return { snapshot: await child.metrics(signal), isSilent: false };
    } catch {
      return { snapshot: countsOf(child.lastMetrics()), isSilent: !child.hasExited() };
    }
  }

  return {
    async gather() {
      const deadline = createDeadline(deps.clock, ANSWER_MS_MAX);
      const asked = deps.living().filter((child) => child.isReady());
      // As of now: one of those that are asked may be among them before all have answered.
      const before = departed;
      const answers = await Promise.all(asked.map((child) => ask(child, deadline.signal)));
      deadline.done();
      silent = answers.filter(({ isSilent }) => isSilent).length;
      const mine = await own.registry.getMetricsAsJSON();
      const snapshots = answers.map(({ snapshot }) => snapshot);
      return sum([...snapshots, await before, mine as MetricsSnapshot]).metrics();
    },
    keep(child) {
      const before = departed;
      departed = before.then((counts) =>
        sum([counts, countsOf(child.lastMetrics())]).getMetricsAsJSON(),
      ) as Promise<MetricsSnapshot>;
    },
  };
}
