/**
 * What a person sees while a drill runs. On a terminal a few lines that are drawn again in place; elsewhere, as in the log
 * of a build, a plain line every few seconds.
 */
import type { Clock, Timer } from '#base/clock';
import { formatWhole } from '#base/values/numbers';
import type { Attempt } from '../load/attempt.ts';
import type { DrillWatch } from '../run-drill.ts';
import { plotSpark } from './live-spark.ts';
import { createTally, type EndedAs } from './live-tally.ts';
import type { Mark } from './result.ts';
import { formatLatency, formatSeconds, oneLine } from './text.ts';

export interface LiveOptions {
  drill: string;
  /** Draws in place; without it lines are only added. */
  isTerminal: boolean;
  /** As `wantsColours` says. */
  hasColours: boolean;
  /** Of the terminal, asked at each drawing, since it may change its size. */
  columns: () => number;
}

export interface LiveDeps {
  clock: Clock;
  write: (text: string) => void;
}

/** What is seen of a drill, from its start to its end. */
export interface LiveView extends DrillWatch {
  /** To be called however the drill ends, and again at the exit of the process: leaves the terminal as it was. */
  end(): void;
}

const DRAW_MS = 100;
const LINE_MS = 5000;
const MARKS_SHOWN = 4;
const COLUMNS_MIN = 20;

/** ECMA-48: `CSI n A` goes up, `CSI J` erases what follows, `CSI ? 25 l` and `h` hide and show the cursor (DEC). */
const HIDE = '\u001b[?25l';
const SHOW = '\u001b[?25h';
const ERASE_BELOW = '\u001b[J';
const ERASE_LINE_END = '\u001b[K';
const up = (lines: number) => (lines > 0 ? `\u001b[${lines}A` : '');

const COLOURS = { good: 32, warning: 33, bad: 31, dim: 2 } as const;
type Colour = keyof typeof COLOURS;
const KINDS: Record<Mark['kind'], Colour> = {
  fault: 'bad',
  heal: 'good',
  recovered: 'good',
  process: 'dim',
  note: 'dim',
};

/** https://no-color.org: any value of NO_COLOR but an empty one means none. */
export function wantsColours(
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): boolean {
  return isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
}

/** A piece of a line, cut by its letters and coloured after that. */
interface Piece {
  text: string;
  colour?: Colour | undefined;
}

export function createLiveView(options: LiveOptions, { clock, write }: LiveDeps): LiveView {
  const { isTerminal, hasColours, columns } = options;
  const tally = createTally();
  const marks: Mark[] = [];
  const startedMs = clock.monotonicMs();
  let loadedMs: number | undefined;
  let phase = '';
  let drawn = 0;
  let timer: Timer | undefined;
  let hasEnded = false;

  function paint(pieces: readonly Piece[]): string {
    let left = Math.max(COLUMNS_MIN, columns()) - 1;
    return pieces
      .map(({ text, colour }) => {
        const letters = [...oneLineKept(text)].slice(0, Math.max(0, left));
        left -= letters.length;
        const kept = letters.join('');
        return hasColours && colour && kept !== '' ? `\u001b[${COLOURS[colour]}m${kept}\u001b[0m` : kept;
      })
      .join('');
  }

  /** The last second, as a sentence in pieces. */
  function describeRates(): Piece[] {
    const { sent, ok, refused, unknown, notSent, latencyP99Ms } = tally.lastSecond(loadMs());
    const unsent: Piece[] =
      notSent > 0 ? [{ text: `not sent ${formatWhole(notSent)}  `, colour: 'bad' }] : [];
    return [
      { text: `sent ${formatWhole(sent)}/s  ok ${formatWhole(ok)}  ` },
      { text: `refused ${formatWhole(refused)}  `, colour: refused > 0 ? 'warning' : undefined },
      { text: `unknown ${formatWhole(unknown)}  `, colour: unknown > 0 ? 'bad' : undefined },
      ...unsent,
      { text: `p99 ${latencyP99Ms === undefined ? '-' : formatLatency(latencyP99Ms)}` },
    ];
  }

  const loadMs = () => (loadedMs === undefined ? 0 : clock.monotonicMs() - loadedMs);
  const head = (): Piece[] => [
    { text: `${formatSeconds(clock.monotonicMs() - startedMs).padStart(7)}  ` },
    { text: `${oneLine(options.drill)}: ${oneLine(phase)}` },
  ];

  function lines(): Piece[][] {
    if (loadedMs === undefined) return [head()];
    return [
      head(),
      [{ text: `         ` }, ...describeRates()],
      [{ text: `         ${plotSpark(tally.slices(loadMs()))}` }],
      ...marks.slice(-MARKS_SHOWN).map(renderMark),
    ];
  }

  /** One write: whoever looks at it sees the old lines or the new ones, and none of them empty. */
  function draw(): void {
    const next = lines().map((pieces) => `${paint(pieces)}${ERASE_LINE_END}\n`);
    write(`${drawn === 0 ? HIDE : ''}${up(drawn)}\r${next.join('')}${ERASE_BELOW}`);
    drawn = next.length;
  }

  function tell(pieces: readonly Piece[]): void {
    write(`${pieces.map(({ text }) => oneLineKept(text)).join('')}\n`);
  }

  function tick(): void {
    if (hasEnded) return;
    if (isTerminal) draw();
    else if (loadedMs !== undefined) tell([...head(), { text: '  ' }, ...describeRates()]);
    timer = clock.after(isTerminal ? DRAW_MS : LINE_MS, tick, 'background');
  }

  timer = clock.after(isTerminal ? DRAW_MS : LINE_MS, tick, 'background');
  return {
    phase(text) {
      phase = text;
      if (!isTerminal && !hasEnded) tell(head());
    },
    loadBegins() {
      loadedMs = clock.monotonicMs();
    },
    mark(mark) {
      marks.push(mark);
      if (!isTerminal && !hasEnded) tell(renderMark(mark));
    },
    attempt: (attempt, atMs) =>
      tally.add({
        outcome: endedAs(attempt),
        intendedAtMs: atMs,
        endedAtMs: atMs + attempt.endedMs - attempt.intendedMs,
      }),
    end() {
      if (hasEnded) return;
      hasEnded = true;
      timer?.cancel();
      if (drawn > 0) write(`${up(drawn)}\r${ERASE_BELOW}${SHOW}`);
    },
  };
}

function endedAs({ fate, outcome, isFailure }: Attempt): EndedAs {
  if (fate === 'not_sent' || fate === 'generator_late') return 'notSent';
  if (!isFailure) return 'ok';
  return outcome === 'unknown' ? 'unknown' : 'refused';
}

function renderMark({ atMs, kind, text }: Mark): Piece[] {
  return [
    { text: `${formatSeconds(atMs).padStart(7)}  ` },
    { text: `${kind} `, colour: KINDS[kind] },
    { text: oneLine(text) },
  ];
}

/** Without line ends or what a terminal obeys; spaces stay, since columns are made of them. */
function oneLineKept(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\uFFFD');
}
