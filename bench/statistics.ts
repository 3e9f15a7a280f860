/**
 * Few numbers from many. Medians, because a neighbour on the machine spoils single rounds; with the spread, because a
 * median alone hides that.
 */
export interface Summary {
  median: number;
  min: number;
  max: number;
}

/** @param values at least one */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** `71,204 (68,010–72,930)` */
export function formatSummary({ median, min, max }: Summary, digits: number): string {
  const format = (value: number) =>
    value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${format(median)} (${format(min)}–${format(max)})`;
}
