/**
 * What the samples of the mutation bench mean: pure.
 */
import type { Bar, BenchOptions } from '../bench.ts';
import type { RoundTrips } from '../mutations-round-trips.ts';
import type { Activity } from '../postgres-usage.ts';
import { formatSummary, type Summary, summarize } from '../statistics.ts';
import type { LoadResult } from '../wrk.ts';

/** One subject in one round. Times are CPU time, user and system, for each mutation, until its event was in the log. */
export interface Sample extends LoadResult {
  serverUs: number;
  /** Of the Postgres sessions that requests use; of those of relay, consumers and queues; of all its other processes. */
  appUs: number;
  systemUs: number;
  otherUs: number;
  walBytes: number;
  /** Whole pages in the log, which Postgres writes at the first change of a page after a checkpoint. */
  walPages: number;
  /** Waits for the disk, for each mutation. */
  walSyncs: number;
  /** Of one core, by the server process. */
  serverShare: number;
  postgresShare: number;
  /** Events that waited for the relay when the load ended. */
  waiting: number;
  /** Sessions that requests use, by what they did. */
  activity: Activity;
}

/** By the subject's name. */
export type Round = Record<string, Sample>;

export const ROUND_TRIPS_MAX = 3;

export interface SubjectText {
  name: string;
  label: string;
}

export interface Results {
  rounds: readonly Round[];
  subjects: readonly SubjectText[];
  roundTrips: RoundTrips;
}

type Field = Exclude<keyof Sample, 'activity'>;

function summaryOf(rounds: readonly Round[], name: string, read: (sample: Sample) => number): Summary {
  return summarize(
    rounds.map((round) => {
      const sample = round[name];
      if (!sample) throw new Error(`a round without ${name}`);
      return read(sample);
    }),
  );
}

/** The difference of two subjects within each round: what a part costs. */
export function differenceOf(
  rounds: readonly Round[],
  [more, less]: readonly [string, string],
  read: (sample: Sample) => number,
): Summary {
  return summarize(
    rounds.map((round) => {
      const [larger, smaller] = [round[more], round[less]];
      if (!larger || !smaller) throw new Error(`a round without ${more} or ${less}`);
      return read(larger) - read(smaller);
    }),
  );
}

/** What a mutation does in the time of one bare insert behind fastify, by requests a second in the same round. */
const SHARES: readonly { name: string; shareMin: number }[] = [
  { name: 'noTtl', shareMin: 0.8 },
  { name: 'full', shareMin: 0.6 },
  { name: 'hot', shareMin: 0.5 },
  { name: 'hundred', shareMin: 0.7 },
];

function judgeShares({ rounds, subjects }: Results): Bar[] {
  return SHARES.map(({ name, shareMin }) => {
    const share = summarize(
      rounds.map((round) => (round[name]?.requestsPerS ?? 0) / (round.bare?.requestsPerS ?? 1)),
    );
    const label = subjects.find((subject) => subject.name === name)?.label ?? name;
    return {
      claim: `${label}: at least ${shareMin} of fastify and one insert`,
      measured: formatSummary(share, 2),
      isMet: share.median >= shareMin,
    };
  });
}

export function judge(results: Results): Bar[] {
  const waits = summarize(results.roundTrips.waits);
  const { roundTrips } = results;
  return [
    ...judgeShares(results),
    {
      claim: `at most ${ROUND_TRIPS_MAX} round trips to Postgres for each mutation`,
      measured: `${formatSummary(waits, 0)} over ${roundTrips.waits.length} mutations`,
      isMet: waits.max <= ROUND_TRIPS_MAX,
    },
  ];
}

const postgresUs = ({ appUs, systemUs, otherUs }: Sample) => appUs + systemUs + otherUs;

function formatThroughput({ rounds, subjects }: Results): string {
  const rows = subjects.map(({ name, label }) => {
    const of = (field: Field, digits: number) =>
      formatSummary(
        summaryOf(rounds, name, (sample) => sample[field]),
        digits,
      );
    const percent = (field: Field) => {
      const { median } = summaryOf(rounds, name, (sample) => sample[field]);
      return `${(median * 100).toFixed(0)} %`;
    };
    const cells = [label, of('requestsPerS', 0), of('latencyP50Ms', 1), of('latencyP99Ms', 1)];
    return `| ${[...cells, percent('serverShare'), percent('postgresShare'), percent('generatorShare')].join(' | ')} |`;
  });
  return `| subject | a second | p50 ms | p99 ms | server | Postgres | generator |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

The last three columns are shares of one core.`;
}

function formatCosts({ rounds, subjects }: Results): string {
  const rows = subjects.map(({ name, label }) => {
    const of = (read: (sample: Sample) => number, digits: number) =>
      formatSummary(summaryOf(rounds, name, read), digits);
    const median = (field: Field, digits: number) =>
      summaryOf(rounds, name, (sample) => sample[field]).median.toFixed(digits);
    const parts = `${median('appUs', 0)} + ${median('systemUs', 0)} + ${median('otherUs', 0)}`;
    const cells = [label, of(({ serverUs }) => serverUs, 0), of(postgresUs, 0), parts];
    const wal = [of(({ walBytes }) => walBytes, 0), median('walPages', 2), median('walSyncs', 3)];
    return `| ${[...cells, ...wal].join(' | ')} |`;
  });
  return `| subject | server CPU µs | Postgres CPU µs | of it: requests + relay and queue + rest | WAL bytes | whole pages | waits for the disk |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

All for one mutation, counted until its event had been moved to the log.`;
}

/** What is added to the subject without it. */
const PARTS: readonly { label: string; pair: readonly [string, string] }[] = [
  { label: 'Idempotency-Key', pair: ['full', 'noKey'] },
  { label: 'job (`ttl`)', pair: ['full', 'noTtl'] },
];

function formatParts({ rounds }: Results): string {
  const rows = PARTS.map(({ label, pair }) => {
    const of = (read: (sample: Sample) => number, digits = 0) =>
      formatSummary(differenceOf(rounds, pair, read), digits);
    const walBytes = of((sample) => sample.walBytes);
    return `| ${label} | ${of(({ serverUs }) => serverUs)} | ${of(postgresUs)} | ${walBytes} |`;
  });
  return `What a part adds, by the difference within each round:

| part | server CPU µs | Postgres CPU µs | WAL bytes |
| --- | --- | --- | --- |
${rows.join('\n')}`;
}

function formatActivity({ rounds, subjects }: Results): string {
  const rows = subjects.map(({ name, label }) => {
    const of = (what: keyof Activity) =>
      summaryOf(rounds, name, ({ activity }) => activity[what]).median.toFixed(1);
    const whats = ['running', 'waitsForDisk', 'waitsForLock', 'waitsForClient', 'idle'] as const;
    return `| ${[label, ...whats.map(of)].join(' | ')} |`;
  });
  return `How many of the ten sessions that requests use were doing what, seen every 50 ms:

| subject | running, or ready to | waiting for the disk | for a lock | for the server, in a transaction | idle |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}`;
}

export function formatResults(
  results: Results,
  { rounds, connections }: BenchOptions,
  seconds: number,
): string {
  const { roundTrips } = results;
  const statements = summarize(roundTrips.statements);
  return `Medians (and least–most) of ${rounds} rounds of ${seconds} s; ${connections} connections kept open, pools of ten.

${formatThroughput(results)}

${formatCosts(results)}

${formatParts(results)}

${formatActivity(results)}

A mutation was ${formatSummary(statements, 0)} statements in ${formatSummary(summarize(roundTrips.waits), 0)} round trips, counted on the wire one mutation at a time. The peer awaits each of its eight statements: eight round trips, by its code.`;
}
