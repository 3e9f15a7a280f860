/**
 * What a second process brings: pure.
 */
import type { BenchOptions } from '../bench.ts';
import { formatSummary, type Summary, summarize } from '../statistics.ts';
import type { LoadResult } from '../wrk.ts';

/** One route of one installation in one round. */
export interface Sample extends LoadResult {
  /** CPU time of all its processes but Postgres, for each request. */
  serverUs: number;
  postgresUs: number;
  /** By server and Postgres together. */
  coresUsed: number;
}

const ROUTES = ['redirect', 'create'] as const;
type Route = (typeof ROUTES)[number];
export type Samples = Record<Route, Sample>;
/** By how many processes there are. */
export type Round = Record<1 | 2, Samples>;

/** The rate with two processes to that with one, within each round. */
export function gainOf(route: Route, rounds: readonly Round[]): Summary {
  return summarize(rounds.map((round) => round[2][route].requestsPerS / round[1][route].requestsPerS));
}

export function formatProcesses(rounds: readonly Round[], { seconds, connections }: BenchOptions): string {
  const rows = ROUTES.flatMap((route) =>
    ([1, 2] as const).map((count) => {
      const of = (field: keyof Sample, digits: number) =>
        formatSummary(summarize(rounds.map((round) => round[count][route][field])), digits);
      const cells = [
        `${route}, ${count} process${count === 1 ? '' : 'es'}`,
        of('requestsPerS', 0),
        of('latencyP50Ms', 2),
        of('latencyP99Ms', 2),
        of('serverUs', 1),
        of('postgresUs', 1),
        of('coresUsed', 2),
        of('generatorShare', 2),
      ];
      return `| ${cells.join(' | ')} |`;
    }),
  );
  const gains = ROUTES.map((route) => `${route} ${formatSummary(gainOf(route, rounds), 2)}`).join(', ');
  return `Medians (and least–most) of ${rounds.length} rounds of ${seconds} s for each; ${connections} connections kept open.

| | requests/s | p50 ms | p99 ms | server CPU µs | Postgres CPU µs | cores used | generator's core |
| --- | --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

Two processes to one, within each round: ${gains}.

The machine has two cores for all of it: the generator is pinned to one of them and shares it with whatever the server has there; server and Postgres may use both. One process leaves the generator a core to itself, two do not: where cores used and the generator's core add up to two, the machine is full, and more processes have nothing to run on.`;
}
