/**
 * What the samples of the ring bench mean: pure.
 */
import type { Bar } from '../bench.ts';
import { formatSummary, type Summary, summarize } from '../statistics.ts';

export type Subject = string;

/** Nanoseconds for each look-up, by subject. */
export type Round = Record<Subject, number>;

/** How one subject places keys on ten nodes. Moved keys in units of K/N. */
export interface Placing {
  builtMs: number;
  /** Keys of the busiest node by those of the mean. */
  spread: number;
  movedByOneMore: number;
  /** For each node that may go. */
  movedByOneLess: readonly number[];
}

const OWN = 'ring';
const BARS = [
  { peer: 'hashring', ratio: 30 },
  { peer: 'consistent-hash', ratio: 2 },
] as const;
const MOVED_MAX = 1.1;

function nsOf(round: Round, subject: Subject): number {
  const ns = round[subject];
  if (ns === undefined) throw new Error(`a round without ${subject}`);
  return ns;
}

const ratioTo = (rounds: readonly Round[], peer: Subject): Summary =>
  summarize(rounds.map((round) => nsOf(round, peer) / nsOf(round, OWN)));

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

export function judge(rounds: readonly Round[], placings: Readonly<Record<Subject, Placing>>): Bar[] {
  const own = placings[OWN];
  if (!own) throw new Error(`no placing of ${OWN}`);
  const speeds = BARS.map(({ peer, ratio }) => {
    const found = ratioTo(rounds, peer);
    return {
      claim: `look-ups at least ${ratio} times as fast as ${peer}`,
      measured: `${formatSummary(found, 1)} times`,
      isMet: found.median >= ratio,
    };
  });
  const less = mean(own.movedByOneLess);
  return [
    ...speeds,
    {
      claim: `moved keys at most ${MOVED_MAX} × K/N`,
      measured: `${own.movedByOneMore.toFixed(3)} by one node more, ${less.toFixed(3)} by one less (mean of all)`,
      isMet: own.movedByOneMore <= MOVED_MAX && less <= MOVED_MAX,
    },
  ];
}

function row(rounds: readonly Round[], subject: Subject, placing: Placing): string {
  const ns = formatSummary(summarize(rounds.map((round) => nsOf(round, subject))), 0);
  const times = subject === OWN ? '' : ratioTo(rounds, subject).median.toFixed(1);
  const { spread, movedByOneMore, movedByOneLess, builtMs } = placing;
  const less = `${mean(movedByOneLess).toFixed(3)} (${Math.max(...movedByOneLess).toFixed(3)})`;
  return `| ${subject} | ${ns} | ${times} | ${spread.toFixed(3)} | ${movedByOneMore.toFixed(3)} | ${less} | ${builtMs.toFixed(1)} |`;
}

export function formatRing(rounds: readonly Round[], placings: Readonly<Record<Subject, Placing>>): string {
  return `
100,000 keys of about 17 characters on ten equal nodes with 160 points each. Medians of ${rounds.length} rounds, with the least and the most.

| subject | ns for each look-up | times ring's | busiest node, of the mean | moved by one more, × K/N | by one less, mean (most) | built in ms |
| --- | --- | --- | --- | --- | --- | --- |
${Object.entries(placings)
  .map(([subject, placing]) => row(rounds, subject, placing))
  .join('\n')}

\`ring\` to \`rendezvous\` are the block's own algorithms; \`hashring\` (uncached) and \`consistent-hash\` are packages of npm.
With 160 points for each node shares differ by some 8 %, so the node that takes or leaves most moves more than K/N; \`jump\`
may lose its last node only.
`;
}
