/**
 * The timeline of a drill as SVG: requests per second by outcome, latencies below on a scale of powers of ten, and the
 * marks of faults across both.
 */
import { formatWhole } from '#base/values/numbers';
import { type Markup, markup, NOTHING } from './markup.ts';
import type { DrillResult, Mark, Slice } from './result.ts';
import { decades, positionLabels, roundTicks, textWidth } from './scale.ts';
import { formatLatency, formatSeconds, oneLine, totals } from './text.ts';

const WIDTH = 960;
const LEFT_X = 72;
const RIGHT_X = 944;
const ROW = 18;
const LABEL_PX = 12;
const LABEL_LENGTH_MAX = 60;
const LABELS_MAX = 16;
const THROUGHPUT_HEIGHT = 170;
const LATENCY_HEIGHT = 140;
const GAP = 34;
const BOTTOM = 40;
const TIME_STEPS = 12;
const RATE_STEPS = 4;
const LATENCY_MS_MIN = 0.1;

const SIGNS: Record<Mark['kind'], string> = {
  fault: '✕',
  heal: '+',
  recovered: '✓',
  process: '◦',
  note: '·',
};
const OUTCOMES = ['ok', 'refused', 'unknown', 'notSent'] as const;

/** A place in the picture for a value. */
type Scale = (value: number) => number;

interface Frame {
  topY: number;
  bottomY: number;
  xOf: Scale;
  yOf: Scale;
}

/** `0.1 ms`, `100 ms`, `10 s`. */
const formatDecade = (ms: number) => (ms >= 1000 ? `${ms / 1000} s` : `${Number(ms.toPrecision(1))} ms`);
const round = (value: number) => Math.round(value * 10) / 10;

function endMsOf({ durationMs, slices, sliceMs, marks }: DrillResult): number {
  const last = (slices.at(-1)?.atMs ?? 0) + sliceMs;
  return Math.max(1, durationMs, last, ...marks.map(({ atMs }) => atMs));
}

/** One path for each outcome: a box per slice, on top of those below it. */
function stack(slices: readonly Slice[], sliceMs: number, { xOf, yOf }: Frame): Markup[] {
  const perS = 1000 / sliceMs;
  return OUTCOMES.map((outcome, at) => {
    const boxes = slices.flatMap((slice) => {
      const below = OUTCOMES.slice(0, at).reduce((sum, other) => sum + slice[other], 0);
      const count = slice[outcome];
      if (count === 0) return [];
      const [fromX, untilX] = [xOf(slice.atMs), xOf(slice.atMs + sliceMs)].map(round);
      const [fromY, untilY] = [yOf(below * perS), yOf((below + count) * perS)].map(round);
      return [`M${fromX} ${fromY}V${untilY}H${untilX}V${fromY}Z`];
    });
    return markup`<path class="${outcome}" d="${boxes.join('')}"/>`;
  });
}

/** Broken where nothing was answered well. */
function latencyLine(
  slices: readonly Slice[],
  sliceMs: number,
  { xOf, yOf }: Frame,
  field: 'latencyP50Ms' | 'latencyP99Ms',
): Markup {
  let isDrawing = false;
  let path = '';
  for (const slice of slices) {
    const value = slice[field];
    const hasValue = slice.ok > 0 && value > 0;
    const [x, y] = [xOf(slice.atMs + sliceMs / 2), yOf(Math.max(LATENCY_MS_MIN, value))].map(round);
    // A point of its own is a line of no length, which round ends make visible.
    if (hasValue) path += isDrawing ? `L${x} ${y}` : `M${x} ${y}h0`;
    isDrawing = hasValue;
  }
  return markup`<path class="line ${field === 'latencyP50Ms' ? 'p50' : 'p99'}" d="${path}"/>`;
}

function horizontal(ticks: readonly number[], frame: Frame, write: (value: number) => string): Markup[] {
  return ticks.map((tick) => {
    const y = round(frame.yOf(tick));
    return markup`<path class="grid" d="M${LEFT_X} ${y}H${RIGHT_X}"/><text class="tick" x="${LEFT_X - 8}" y="${y + 4}" text-anchor="end">${write(tick)}</text>`;
  });
}

function timeAxis(endMs: number, { xOf, bottomY }: Frame): Markup[] {
  return roundTicks(endMs / 1000, TIME_STEPS)
    .filter((atS) => atS * 1000 <= endMs)
    .map((atS) => {
      const x = round(xOf(atS * 1000));
      return markup`<path class="grid" d="M${x} ${bottomY}v5"/><text class="tick" x="${x}" y="${bottomY + 18}" text-anchor="middle">${atS} s</text>`;
    });
}

interface PlacedMark {
  mark: Mark;
  x: number;
  /** Undefined for one too many to be labelled: it has its line, and its row in the list. */
  label: { text: string; x: number; y: number; anchor: 'start' | 'end' } | undefined;
}

function placeMarks(marks: readonly Mark[], xOf: Scale): { placed: PlacedMark[]; rows: number } {
  const sorted = marks.toSorted((a, b) => a.atMs - b.atMs);
  const texts = sorted.map(({ kind, text }) => `${SIGNS[kind]} ${oneLine(text, LABEL_LENGTH_MAX)}`);
  const labels = sorted
    .slice(0, LABELS_MAX)
    .map(({ atMs }, at) => ({ x: xOf(atMs) + 4, width: textWidth(texts[at] ?? '', LABEL_PX) }));
  const places = positionLabels(labels, { leftX: LEFT_X, rightX: RIGHT_X });
  const rows = Math.max(0, ...places.map(({ row }) => row + 1));
  const placed = sorted.map((mark, at): PlacedMark => {
    const place = places[at];
    const x = round(xOf(mark.atMs));
    if (!place) return { mark, x, label: undefined };
    const { anchor, row } = place;
    const labelX = round(anchor === 'start' ? place.fromX : place.untilX - 8);
    return { mark, x, label: { text: texts[at] ?? '', x: labelX, y: (row + 1) * ROW - 5, anchor } };
  });
  return { placed, rows };
}

function drawMark({ mark, x, label }: PlacedMark, fromY: number, untilY: number): Markup {
  const top = label ? label.y - LABEL_PX + 2 : fromY;
  const text = label
    ? markup`<text class="label ${mark.kind}" x="${label.x}" y="${label.y}" text-anchor="${label.anchor}">${label.text}</text>`
    : NOTHING;
  return markup`<g><title>${formatSeconds(mark.atMs)} ${mark.kind}: ${oneLine(mark.text)}</title><path class="mark ${mark.kind}" d="M${x} ${top}V${untilY}"/>${text}</g>`;
}

/** From each fault to its heal. */
function shade(marks: readonly Mark[], xOf: Scale, topY: number, bottomY: number): Markup[] {
  return marks.flatMap(({ kind, atMs }, at) => {
    if (kind !== 'fault') return [];
    const rest = marks.slice(at + 1);
    const until = rest.find((mark) => mark.kind === 'heal' || mark.kind === 'fault');
    if (until?.kind !== 'heal') return [];
    const [x, width] = [round(xOf(atMs)), round(xOf(until.atMs) - xOf(atMs))];
    return [markup`<rect class="broken" x="${x}" y="${topY}" width="${width}" height="${bottomY - topY}"/>`];
  });
}

/** The same in words, for those who do not see it. */
function describe(result: DrillResult): string {
  const { ok, refused, unknown, notSent } = totals(result);
  const answered = result.slices.filter((slice) => slice.ok > 0);
  const worst = Math.max(0, ...answered.map(({ latencyP99Ms }) => latencyP99Ms));
  const median = answered.map(({ latencyP50Ms }) => latencyP50Ms).sort((a, b) => a - b)[
    Math.floor(answered.length / 2)
  ];
  const marks = result.marks.map(
    ({ atMs, kind, text }) => `${kind} at ${formatSeconds(atMs)}, ${oneLine(text)}`,
  );
  return [
    `Over ${formatSeconds(result.durationMs)}: ${formatWhole(ok)} requests answered well, ${formatWhole(refused)} refused, ${formatWhole(unknown)} of unknown outcome, ${formatWhole(notSent)} never sent.`,
    `Median latency ${formatLatency(median ?? 0)}, highest 99th percentile of a slice ${formatLatency(worst)}.`,
    marks.length > 0 ? `Marks: ${marks.join('; ')}.` : 'No marks.',
  ].join(' ');
}

function latencyFrame(slices: readonly Slice[], topY: number, xOf: Scale): Frame & { ticks: number[] } {
  const values = slices
    .flatMap(({ ok, latencyP50Ms, latencyP99Ms }) => (ok > 0 ? [latencyP50Ms, latencyP99Ms] : []))
    .filter((value) => value > 0)
    .map((value) => Math.max(LATENCY_MS_MIN, value));
  const ticks = values.length > 0 ? decades(Math.min(...values), Math.max(...values)) : [1, 10];
  const [low, high] = [Math.log10(ticks[0] ?? 1), Math.log10(ticks.at(-1) ?? 10)];
  const bottomY = topY + LATENCY_HEIGHT;
  const yOf = (ms: number) => bottomY - ((Math.log10(ms) - low) / (high - low)) * LATENCY_HEIGHT;
  return { topY, bottomY, xOf, yOf, ticks };
}

/** @param id makes the names in the page its own */
export function renderPlot(result: DrillResult, id: string): Markup {
  const { slices, sliceMs, marks } = result;
  const endMs = endMsOf(result);
  const xOf = (ms: number) => LEFT_X + (ms / endMs) * (RIGHT_X - LEFT_X);
  const { placed, rows } = placeMarks(marks, xOf);
  const topY = rows * ROW + 22;
  const perS = slices.map(
    ({ ok, refused, unknown, notSent }) => ((ok + refused + unknown + notSent) * 1000) / sliceMs,
  );
  const rates = roundTicks(Math.max(1, ...perS), RATE_STEPS);
  const bottomY = topY + THROUGHPUT_HEIGHT;
  const yOf = (rate: number) => bottomY - (rate / (rates.at(-1) ?? 1)) * THROUGHPUT_HEIGHT;
  const upper: Frame = { topY, bottomY, xOf, yOf };
  const lower = latencyFrame(slices, bottomY + GAP, xOf);
  const height = lower.bottomY + BOTTOM;
  return markup`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-title ${id}-text">
<title id="${id}-title">Timeline of ${oneLine(result.drill)}</title>
<desc id="${id}-text">${describe(result)}</desc>
${shade(marks, xOf, topY, lower.bottomY)}
<text class="axis" x="${LEFT_X}" y="${topY - 8}">requests per second</text>
${horizontal(rates, upper, formatWhole)}
${stack(slices, sliceMs, upper)}
<text class="axis" x="${LEFT_X}" y="${lower.topY - 8}">latency of what was answered well</text>
${horizontal(lower.ticks, lower, formatDecade)}
${latencyLine(slices, sliceMs, lower, 'latencyP99Ms')}
${latencyLine(slices, sliceMs, lower, 'latencyP50Ms')}
${timeAxis(endMs, lower)}
${placed.map((mark) => drawMark(mark, topY, lower.bottomY))}
</svg>`;
}
