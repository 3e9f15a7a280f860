/**
 * What the samples of the cache bench mean: pure.
 */
import { formatWhole } from '#base/values/numbers';
import type { Bar } from '../bench.ts';
import { type Measured, SUBJECTS, type SubjectName } from '../caches/subject.ts';
import { formatSummary, type Summary, summarize } from '../statistics.ts';

/** By the subject's name. */
export type Round = Partial<Record<SubjectName, Measured>>;

type Field = 'getsPerS' | 'readsPerS' | 'bytesPerEntry';

const GET_BARS = [
  ['loadstone-lru', 1.2],
  ['loadstone-sieve', 1.2],
  ['loadstone-window-tiny-lfu', 0.8],
] as const;
const OWN_DEFAULT = 'loadstone-window-tiny-lfu';
const READ_RATIO = 10;
const MEMORY_RATIO = 1.3;

function fieldOf(round: Round, name: SubjectName, field: Field): number {
  const value = round[name]?.[field];
  if (value === undefined) throw new Error(`a round without ${field} of ${name}`);
  return value;
}

function ratio(rounds: readonly Round[], field: Field, own: SubjectName, peer: SubjectName): Summary {
  return summarize(rounds.map((round) => fieldOf(round, own, field) / fieldOf(round, peer, field)));
}

/** The bars are on medians of the rounds' ratios, so that whatever else the machine does strikes all alike. */
export function judge(rounds: readonly Round[]): Bar[] {
  const gets = GET_BARS.map(([own, least]): Bar => {
    const found = ratio(rounds, 'getsPerS', own, 'lru-cache');
    return {
      claim: `hits of ${own}: at least ${least} times lru-cache with ttl`,
      measured: formatSummary(found, 2),
      isMet: found.median >= least,
    };
  });
  const reads = ratio(rounds, 'readsPerS', OWN_DEFAULT, 'bentocache');
  const memory = ratio(rounds, 'bytesPerEntry', OWN_DEFAULT, 'lru-cache');
  return [
    ...gets,
    {
      claim: `hits of reading through: at least ${READ_RATIO} times getOrSet of bentocache`,
      measured: formatSummary(reads, 1),
      isMet: reads.median >= READ_RATIO,
    },
    {
      claim: `memory for each entry: at most ${MEMORY_RATIO} times lru-cache`,
      measured: formatSummary(memory, 2),
      isMet: memory.median <= MEMORY_RATIO,
    },
  ];
}

export function formatRounds(rounds: readonly Round[], entries: number): string {
  const cell = (name: SubjectName, field: Field) => {
    const values = rounds.flatMap((round) => round[name]?.[field] ?? []);
    return values.length === 0 ? '' : formatSummary(summarize(values), 0);
  };
  const rows = SUBJECTS.map((name) => {
    const cells = (['getsPerS', 'readsPerS', 'bytesPerEntry'] as const).map((field) => cell(name, field));
    return `| ${[name, ...cells].join(' | ')} |`;
  });
  return `| cache | hits/s of CPU | hits of reading through/s | bytes for each entry |
| --- | --- | --- | --- |
${rows.join('\n')}

Medians (and least–most) of ${rounds.length} rounds with ${formatWhole(entries)} entries, asked for at random. Bytes are heap and buffers, without keys and values.`;
}
