/**
 * What the samples of the queue bench mean: pure.
 */
import { formatWhole } from '#base/values/numbers';
import type { Bar } from '../bench.ts';
import { formatSummary, type Summary, summarize } from '../statistics.ts';

/** One subject in one round. */
export interface Sample {
  singlePerS: number;
  batchPerS: number;
  processPerS: number;
  /** With a snapshot held open by another session. */
  snapshotPerS: number;
  pickUpP50Ms: number;
  pickUpP99Ms: number;
}

/** By the subject's name. */
export type Round = Record<string, Sample>;

/** Claims of a hundred jobs, by how many wait. */
export interface Claims {
  waiting: number;
  p50Ms: number;
  p99Ms: number;
}

export const OWN = 'loadstone';
export const PEERS = ['pg-boss', 'graphile-worker'] as const;

const SINGLE_RATIO = 5;
const BATCH_RATIO = 3;
const PROCESS_RATIO = 1.8;
const SNAPSHOT_SHARE = 0.8;
const CLAIM_RATIO = 3;

type Field = keyof Sample;

function sampleOf(round: Round, name: string): Sample {
  const sample = round[name];
  if (!sample) throw new Error(`a round without ${name}`);
  return sample;
}

export function summarizeField(rounds: readonly Round[], name: string, field: Field): Summary {
  return summarize(rounds.map((round) => sampleOf(round, name)[field]));
}

/** Ours divided by the better peer's, within each round. */
function ratio(rounds: readonly Round[], field: Field): Summary {
  return summarize(
    rounds.map((round) => {
      const best = Math.max(...PEERS.map((peer) => sampleOf(round, peer)[field]));
      return sampleOf(round, OWN)[field] / best;
    }),
  );
}

function pickUpBar(rounds: readonly Round[]): Bar {
  const own = summarizeField(rounds, OWN, 'pickUpP50Ms');
  const others = PEERS.map((peer) => summarizeField(rounds, peer, 'pickUpP50Ms').median);
  return {
    claim: 'idle pick-up below both',
    measured: `${own.median.toFixed(2)} ms against ${others.map((ms) => ms.toFixed(2)).join(' and ')} ms`,
    isMet: others.every((ms) => own.median < ms),
  };
}

/** The bars are on medians of the rounds' ratios, so that whatever else the machine does strikes all alike. */
export function judge(rounds: readonly Round[], [few, many]: readonly [Claims, Claims]): Bar[] {
  const atLeast = (claim: string, found: Summary, least: number): Bar => ({
    claim: `${claim}: at least ${least} times the better peer`,
    measured: formatSummary(found, 2),
    isMet: found.median >= least,
  });
  const share = summarize(
    rounds.map((round) => sampleOf(round, OWN).snapshotPerS / sampleOf(round, OWN).processPerS),
  );
  return [
    atLeast('single enqueue', ratio(rounds, 'singlePerS'), SINGLE_RATIO),
    atLeast('batches of 100', ratio(rounds, 'batchPerS'), BATCH_RATIO),
    atLeast('processing', ratio(rounds, 'processPerS'), PROCESS_RATIO),
    pickUpBar(rounds),
    {
      claim: `with a snapshot held open: at least ${SNAPSHOT_SHARE} of its own processing`,
      measured: formatSummary(share, 2),
      isMet: share.median >= SNAPSHOT_SHARE,
    },
    {
      claim: `claims with ${formatWhole(many.waiting)} jobs waiting: p99 at most ${CLAIM_RATIO} times that with ${formatWhole(few.waiting)}`,
      measured: `${many.p99Ms.toFixed(2)} ms against ${few.p99Ms.toFixed(2)} ms`,
      isMet: many.p99Ms <= few.p99Ms * CLAIM_RATIO,
    },
  ];
}

const COLUMNS: readonly [Field, string, number][] = [
  ['singlePerS', 'single enqueue, jobs/s', 0],
  ['batchPerS', 'batches of 100, jobs/s', 0],
  ['processPerS', 'processing, jobs/s', 0],
  ['snapshotPerS', 'the same, snapshot held open', 0],
  ['pickUpP50Ms', 'pick-up p50 ms', 2],
  ['pickUpP99Ms', 'pick-up p99 ms', 2],
];

export function formatRounds(
  rounds: readonly Round[],
  claims: readonly Claims[],
  settings: Readonly<Record<string, string>>,
  untoldMs: number,
): string {
  const rows = [OWN, ...PEERS].map((name) => {
    const cells = COLUMNS.map(([field, , digits]) =>
      formatSummary(summarizeField(rounds, name, field), digits),
    );
    return `| ${[name, ...cells].join(' | ')} |`;
  });
  const claimRows = claims.map(
    ({ waiting, p50Ms, p99Ms }) => `| ${formatWhole(waiting)} | ${p50Ms.toFixed(2)} | ${p99Ms.toFixed(2)} |`,
  );
  return `| queue | ${COLUMNS.map(([, title]) => title).join(' | ')} |
| --- |${' --- |'.repeat(COLUMNS.length)}
${rows.join('\n')}

Medians (and least–most) of ${rounds.length} rounds. Ratios are taken within a round. Processing is from the start of a worker until every job is recorded as done. Pick-up is from the call that enqueues to the handler, in one process; loadstone's of a job that another process has enqueued, found by looking every 20 ms: p50 ${untoldMs.toFixed(2)} ms.

${Object.entries(settings)
  .map(([name, text]) => `- ${name}: ${text}`)
  .join('\n')}

A turn that records 100 jobs and claims the next 100, by how many wait:

| waiting | p50 ms | p99 ms |
| --- | --- | --- |
${claimRows.join('\n')}`;
}
