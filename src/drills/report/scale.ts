/**
 * Where things go on a plot: round ticks, a scale by powers of ten, labels that do not meet. Pure.
 */

/** Steps of 1, 2 or 5 times a power of ten from 0 to the first at or above `max`, of which there are few. */
export function roundTicks(max: number, stepsMax: number): number[] {
  const rough = Math.max(max, Number.MIN_VALUE * 1e20) / stepsMax;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9)) ?? 10) * power;
  const count = Math.max(1, Math.ceil(max / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, at) => Number((at * step).toPrecision(12)));
}

/** Powers of ten from at or below `min` to at or above `max`, at least two of them. */
export function decades(min: number, max: number): number[] {
  const [from, until] = [Math.floor(Math.log10(min) + 1e-9), Math.ceil(Math.log10(max) - 1e-9)];
  return Array.from({ length: Math.max(until, from + 1) - from + 1 }, (_, at) => 10 ** (from + at));
}

export interface LabelPosition {
  /** From the top. */
  row: number;
  /** Its left edge and its right edge. */
  fromX: number;
  untilX: number;
  /** Which of them is at the mark. */
  anchor: 'start' | 'end';
}

const GAP = 10;

/**
 * A row for each label, so that no two of a row meet and none leaves the plot where it fits into it.
 * @param labels in any order; the places are in the same
 */
export function positionLabels(
  labels: readonly { x: number; width: number }[],
  { leftX, rightX }: { leftX: number; rightX: number },
): LabelPosition[] {
  const placed: LabelPosition[] = [];
  const isFree = (row: number, fromX: number, untilX: number) =>
    placed.every((other) => other.row !== row || untilX + GAP <= other.fromX || other.untilX + GAP <= fromX);
  return labels.map(({ x, width }) => {
    const anchor = x + width > rightX && x - width >= leftX ? 'end' : 'start';
    const fromX = anchor === 'end' ? x - width : x;
    let row = 0;
    while (!isFree(row, fromX, fromX + width)) row += 1;
    const place: LabelPosition = { row, fromX, untilX: fromX + width, anchor };
    placed.push(place);
    return place;
  });
}

const WIDE = /\p{Emoji_Presentation}|[\u2E80-\uFFFF]|[\u{10000}-\u{10FFFF}]/u;

/** Roughly, of text in a sans-serif; rather too wide than too narrow. */
export function textWidth(text: string, sizePx: number): number {
  return [...text].reduce((width, letter) => width + (WIDE.test(letter) ? 1.1 : 0.6) * sizePx, 0);
}
