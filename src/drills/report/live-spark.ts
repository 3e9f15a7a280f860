/**
 * A row of bars in text.
 */
const BARS = '▁▂▃▄▅▆▇█';

/** A bar for each slice: as high as what was answered well, `·` where nothing was asked, `×` where nothing was answered. */
export function plotSpark(slices: readonly { ok: number; failed: number }[]): string {
  const highest = Math.max(1, ...slices.map(({ ok }) => ok));
  return slices
    .map(({ ok, failed }) => {
      if (ok === 0) return failed > 0 ? '×' : '·';
      return BARS[Math.ceil((ok / highest) * BARS.length) - 1];
    })
    .join('');
}
