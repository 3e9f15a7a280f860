/**
 * What the samples of the event bench mean: pure.
 */
import type { Bar } from '../bench.ts';
import type { Delay } from '../events-idle.ts';
import type { Sustained } from '../events-sustained.ts';
import { formatSummary, type Summary, summarize } from '../statistics.ts';

export interface Quantiles {
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

export interface Results {
  /** Of each round. */
  idle: readonly (readonly Delay[])[];
  seenMs: readonly number[];
  api: readonly Sustained[];
  sql: readonly Sustained[];
}

const P50_MS_MAX = 10;
const P99_MS_MAX = 50;
/** Of load: what a bounded lag never reaches, and one that grows soon does. */
const LAG_S_MAX = 1;

/** By the nearest rank. @param values at least one */
export function quantilesOf(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

export function judge({ idle, api }: Results): Bar[] {
  const { p50, p99 } = quantilesOf(idle.flat().map(({ visibleMs }) => visibleMs));
  const lagS = summarize(api.map(({ lagMax, eventsPerS }) => lagMax / eventsPerS));
  const bar = (name: string, value: number, most: number): Bar => ({
    claim: `commit to projection visible, idle: ${name} at most ${most} ms`,
    measured: `${value.toFixed(2)} ms over ${idle.flat().length} creations`,
    isMet: value <= most,
  });
  return [
    bar('p50', p50, P50_MS_MAX),
    bar('p99', p99, P99_MS_MAX),
    {
      claim: `lag stays below ${LAG_S_MAX} s of events while the API takes all it can`,
      measured: `at most ${formatSummary(lagS, 2)} s`,
      isMet: lagS.max < LAG_S_MAX,
    },
  ];
}

function formatQuantiles(label: string, values: readonly number[]): string {
  const { p50, p90, p99, max } = quantilesOf(values);
  return `| ${[label, ...[p50, p90, p99, max].map((value) => value.toFixed(2))].join(' | ')} |`;
}

function formatIdle({ idle, seenMs }: Results): string {
  const all = idle.flat();
  return `| idle, ms from the commit | p50 | p90 | p99 | most |
| --- | --- | --- | --- | --- |
${formatQuantiles(
  'to the log',
  all.map(({ movedMs }) => movedMs),
)}
${formatQuantiles(
  'from the log to the projection',
  all.map(({ movedMs, visibleMs }) => visibleMs - movedMs),
)}
${formatQuantiles(
  'commit to projection visible',
  all.map(({ visibleMs }) => visibleMs),
)}
${formatQuantiles('from the answer until a reader sees it', seenMs)}`;
}

function formatSustained({ api, sql }: Results): string {
  const row = (label: string, read: (each: Sustained) => number, digits: number) => {
    const cells = [api, sql].map((some) => formatSummary(summarize(some.map(read)), digits));
    return `| ${[label, ...cells].join(' | ')} |`;
  };
  return `| sustained | by the API | by SQL, 100 in a transaction |
| --- | --- | --- |
${[
  row('events a second', ({ eventsPerS }) => eventsPerS, 0),
  row('server CPU µs for each', ({ serverUs }) => serverUs, 1),
  row('Postgres CPU µs for each: writers', ({ writersUs }) => writersUs, 1),
  row('… relay and projection', ({ systemUs }) => systemUs, 1),
  row('… its other processes', ({ otherUs }) => otherUs, 1),
  row('WAL bytes for each', ({ walBytes }) => walBytes, 0),
  row('events in a batch of the relay', ({ relayBatch }) => relayBatch, 1),
  row('events in a batch of the projection', ({ projectionBatch }) => projectionBatch, 1),
  row('lag on average, events', ({ lagMean }) => lagMean, 0),
  row('lag on average, ms', ({ lagMean, eventsPerS }) => (lagMean / eventsPerS) * 1000, 0),
  row('lag on average in the last third, events', ({ lagLate }) => lagLate, 0),
  row('lag at most, events', ({ lagMax }) => lagMax, 0),
  row('share of its core, server', ({ serverShare }) => serverShare, 2),
  row('share of a core, Postgres', ({ postgresShare }) => postgresShare, 2),
].join('\n')}`;
}

export function formatResults(results: Results, seconds: number): string {
  const medians: Summary = summarize(
    results.idle.map((delays) => quantilesOf(delays.map(({ visibleMs }) => visibleMs)).p50),
  );
  return `${results.idle.flat().length} single creations in ${results.idle.length} rounds, whose medians were ${formatSummary(medians, 2)} ms; ${results.seenMs.length} more for the reader; ${results.api.length} rounds of ${seconds} s under load, as median (least–most).

${formatIdle(results)}

${formatSustained(results)}

Lag is what is committed and not yet counted; in ms it is that divided by the rate (Little).`;
}
