/**
 * What the samples of the redirect bench mean: pure.
 */
import type { Bar, BenchOptions } from '../bench.ts';
import { formatSummary, type Summary, summarize } from '../statistics.ts';
import type { LoadResult } from '../wrk.ts';

/** One subject in one round. */
export interface Sample extends LoadResult {
  /** User and system time of the server process, all threads. */
  cpuUsPerRequest: number;
  /** The same of the processes below it. */
  postgresUsPerRequest: number;
  /** Of its core, by the server process. */
  serverShare: number;
}

/** By the subject's name. */
export type Round = Record<string, Sample>;

const OWN = 'loadstone';
const PEERS = ['bare', 'fastify'] as const;
type Peer = (typeof PEERS)[number];

const BAR = 0.9;
/** Above this the generator is measured rather than the server. */
const GENERATOR_SHARE_MAX = 0.9;
const BUSY_SHARE_MIN = 0.9;

const DISTURBED =
  '\n\nThe machine was not quiet: neither a server nor the generator had its core to itself. Measure again.';

const LABELS: Record<string, string> = {
  loadstone: 'loadstone',
  bare: '(a) bare `node:http` with a `Map`',
  fastify: '(b) fastify with a `Map`',
};

/** How the server compares with a peer: above 1 it is the better one. */
export interface Ratio {
  peer: Peer;
  /** The peer's CPU time per request divided by the server's. */
  byCpu: Summary;
  /** The server's requests/s divided by the peer's; over the rounds in which the generator kept up with both. */
  byRequests: Summary | undefined;
  roundsByRequests: number;
}

export interface Comparison {
  rounds: number;
  subjects: Record<string, Record<keyof Sample, Summary>>;
  ratios: Ratio[];
}

const FIELDS = [
  'requests',
  'requestsPerS',
  'generatorShare',
  'latencyP50Ms',
  'latencyP99Ms',
  'cpuUsPerRequest',
  'postgresUsPerRequest',
  'serverShare',
] as const satisfies (keyof Sample)[];

function sampleOf(round: Round, name: string): Sample {
  const sample = round[name];
  if (!sample) throw new Error(`a round without ${name}`);
  return sample;
}

function ratioTo(peer: Peer, rounds: readonly Round[]): Ratio {
  const pairs = rounds.map((round) => ({ own: sampleOf(round, OWN), other: sampleOf(round, peer) }));
  const byRequests = pairs
    .filter(({ own, other }) => Math.max(own.generatorShare, other.generatorShare) <= GENERATOR_SHARE_MAX)
    .map(({ own, other }) => own.requestsPerS / other.requestsPerS);
  return {
    peer,
    byCpu: summarize(pairs.map(({ own, other }) => other.cpuUsPerRequest / own.cpuUsPerRequest)),
    byRequests: byRequests.length > 0 ? summarize(byRequests) : undefined,
    roundsByRequests: byRequests.length,
  };
}

export function compare(rounds: readonly Round[]): Comparison {
  const subjects: Comparison['subjects'] = {};
  for (const name of [OWN, ...PEERS]) {
    const samples = rounds.map((round) => sampleOf(round, name));
    subjects[name] = Object.fromEntries(
      FIELDS.map((field) => [field, summarize(samples.map((sample) => sample[field]))]),
    ) as Record<keyof Sample, Summary>;
  }
  return { rounds: rounds.length, subjects, ratios: PEERS.map((peer) => ratioTo(peer, rounds)) };
}

/** The bar is the median of the rounds' ratios to (a): by CPU time, and by requests/s where that counts. */
export function judge({ ratios }: Comparison): Bar[] {
  const bare = ratios.find(({ peer }) => peer === 'bare');
  if (!bare) throw new Error('no ratio to bare node:http');
  const bar = (by: string, ratio: Summary): Bar => ({
    claim: `at least ${BAR.toFixed(2)} of bare node:http by ${by}`,
    measured: formatSummary(ratio, 3),
    isMet: ratio.median >= BAR,
  });
  const bars = [bar('CPU time per request', bare.byCpu)];
  if (bare.byRequests) bars.push(bar('requests/s', bare.byRequests));
  return bars;
}

/** With neither the server nor the generator busy, somebody else had their cores: such numbers are worth little. */
function wasDisturbed({ subjects }: Comparison): boolean {
  return Object.values(subjects).some(
    ({ serverShare, generatorShare }) => Math.max(serverShare.median, generatorShare.median) < BUSY_SHARE_MIN,
  );
}

function percent({ median }: Summary): string {
  return `${(median * 100).toFixed(0)} %`;
}

export function formatComparison(comparison: Comparison, { seconds, connections }: BenchOptions): string {
  const { rounds, subjects, ratios } = comparison;
  const rows = Object.entries(subjects).map(([name, of]) => {
    const cells = [
      LABELS[name] ?? name,
      formatSummary(of.requestsPerS, 0),
      formatSummary(of.cpuUsPerRequest, 2),
      formatSummary(of.latencyP50Ms, 2),
      formatSummary(of.latencyP99Ms, 2),
      percent(of.serverShare),
      percent(of.generatorShare),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const ratioRows = ratios.map(({ peer, byCpu, byRequests, roundsByRequests }) => {
    const counted = byRequests
      ? formatSummary(byRequests, 3)
      : `none: the generator was above ${GENERATOR_SHARE_MAX * 100} % in every round`;
    return `| ${LABELS[peer]} | ${formatSummary(byCpu, 3)} | ${counted} | ${roundsByRequests} of ${rounds} |`;
  });
  const postgres = subjects[OWN]?.postgresUsPerRequest;
  return `Medians (and least–most) of ${rounds} rounds of ${seconds} s; ${connections} connections kept open; each subject pinned to one core, the generator to another.

| subject | requests/s | CPU µs/request | p50 ms | p99 ms | its core | generator's core |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

Loadstone to each peer, within each round; above 1 it is better than the peer. Rounds in which the generator used more than ${GENERATOR_SHARE_MAX * 100} % of its core count by CPU time only.

| peer | by CPU time | by requests/s | rounds that count by requests/s |
| --- | --- | --- | --- |
${ratioRows.join('\n')}

CPU time is the server process's own. Its Postgres, pinned to the same core, took ${postgres?.median.toFixed(2)} µs/request more (kept targets are asked for again every 30 s); that is in the requests/s.${wasDisturbed(comparison) ? DISTURBED : ''}`;
}
