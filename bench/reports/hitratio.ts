/**
 * Tables of the ratios of hits: pure.
 */
import { formatWhole } from '#base/values/numbers';
import type { Bar } from '../bench.ts';

export interface TraceResult {
  name: string;
  kind: 'scans' | 'recency' | undefined;
  requests: number;
  distinct: number;
  sizes: readonly number[];
  rows: readonly { policy: string; hitRatios: readonly number[] }[];
}

const OWN = 'window-tiny-lfu';
/** Points more than LRU, at every size: with scans at least, by recency at least. */
const BARS = { scans: 3, recency: -1 } as const;

function ratiosOf({ rows }: TraceResult, policy: string): readonly number[] {
  const found = rows.find((row) => row.policy === policy);
  if (!found) throw new Error(`a result without ${policy}`);
  return found.hitRatios;
}

/** Of files nothing is asked: they are what they are. */
export function judge(results: readonly TraceResult[]): Bar[] {
  return results.flatMap((result) => {
    if (result.kind === undefined) return [];
    const lru = ratiosOf(result, 'lru');
    const points = ratiosOf(result, OWN).map((ratio, at) => 100 * (ratio - (lru[at] as number)));
    const least = BARS[result.kind];
    return [
      {
        claim: `${result.name}: ${OWN} against lru, at least ${least} points at every size`,
        measured: points.map((each) => each.toFixed(2)).join(', '),
        isMet: points.every((each) => each >= least),
      },
    ];
  });
}

export function formatTraces(results: readonly TraceResult[]): string {
  return results
    .map(({ name, requests, distinct, sizes, rows }) => {
      const lines = rows.map(
        ({ policy, hitRatios }) =>
          `| ${[policy, ...hitRatios.map((ratio) => (100 * ratio).toFixed(2))].join(' | ')} |`,
      );
      return `## ${name}

${formatWhole(requests)} requests for ${formatWhole(distinct)} keys; per cent of hits, by entries:

| policy | ${sizes.map(formatWhole).join(' | ')} |
| --- |${' --- |'.repeat(sizes.length)}
${lines.join('\n')}`;
    })
    .join('\n\n');
}
