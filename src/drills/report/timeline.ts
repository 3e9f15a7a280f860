/**
 * A drill's load over time: slices for the plot, when it failed, and when it was well again. Pure.
 */
import type { Attempt } from '../load/attempt.ts';
import type { Mark, Slice } from './result.ts';

const SLICES_WANTED = 120;
const SLICE_MS_MIN = 100;
/** Well again is: so long without a failure. */
const CLEAN_MS = 1000;

export function sliceMsFor(durationMs: number): number {
  return Math.max(SLICE_MS_MIN, Math.ceil(durationMs / SLICES_WANTED / SLICE_MS_MIN) * SLICE_MS_MIN);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function sliceOf(atMs: number, attempts: readonly Attempt[]): Slice {
  const unsent = new Set<Attempt['fate']>(['not_sent', 'generator_late']);
  const notSent = attempts.filter(({ fate }) => unsent.has(fate)).length;
  const unknown = attempts.filter(({ isFailure, outcome }) => isFailure && outcome === 'unknown').length;
  const refused = attempts.filter(
    ({ isFailure, outcome, fate }) => isFailure && outcome !== 'unknown' && !unsent.has(fate),
  ).length;
  const latencies = attempts
    .filter(({ isFailure, fate }) => !isFailure && !unsent.has(fate))
    .map(({ endedMs, intendedMs }) => endedMs - intendedMs)
    .sort((a, b) => a - b);
  return {
    atMs,
    ok: attempts.length - unknown - refused - notSent,
    refused,
    unknown,
    notSent,
    latencyP50Ms: quantile(latencies, 0.5),
    latencyP99Ms: quantile(latencies, 0.99),
  };
}

/** By intended time. An answer that says no for a good reason (404, 412) counts as one that is well. */
export function slicesOf(
  attempts: readonly Attempt[],
  { zeroMs, durationMs, sliceMs }: { zeroMs: number; durationMs: number; sliceMs: number },
): Slice[] {
  const places = Map.groupBy(attempts, ({ intendedMs }) => Math.floor((intendedMs - zeroMs) / sliceMs));
  return Array.from({ length: Math.ceil(durationMs / sliceMs) }, (_, at) =>
    sliceOf(at * sliceMs, places.get(at) ?? []),
  );
}

/** A time during which things may fail, and what healed it. Times from the load's beginning. */
export interface FaultWindow {
  fromMs: number;
  healedMs: number;
  /** From its end to the first second without a failure; undefined where none came. */
  recoveredMs: number | undefined;
  /** Where it ends: at recovery, or where the load or the next fault does. */
  endMs: number;
  /** Of requests under way from the fault to its end. One that is under way in two windows is counted in both. */
  failed: number;
  requests: number;
}

/**
 * The faults among the marks, with their heals, in their order. One without a heal has healed itself, and had it at once.
 * One that comes when neither a heal nor a process has followed the one before it is a part of that one.
 */
export function faultTimes(marks: readonly Mark[]): { fromMs: number; healedMs: number }[] {
  const times: { fromMs: number; healedMs: number }[] = [];
  let last: Mark['kind'] | undefined;
  let isHealed = true;
  for (const { kind, atMs } of marks) {
    const time = times.at(-1);
    if (kind === 'fault' && last === 'fault' && time) time.healedMs = atMs;
    else if (kind === 'fault') times.push({ fromMs: atMs, healedMs: atMs });
    else if (kind === 'heal' && !isHealed && time) time.healedMs = atMs;
    if (kind === 'fault') isHealed = false;
    if (kind === 'heal') isHealed = true;
    if (kind !== 'note') last = kind;
  }
  return times;
}

/**
 * @param failures intended times of what failed, sorted, from the load's beginning
 * @param untilMs where the load, or the next fault, ends what can be seen
 */
export function recoveryAfter(
  healedMs: number,
  failures: readonly number[],
  untilMs: number,
): number | undefined {
  let clean = healedMs;
  for (const atMs of failures) {
    if (atMs < clean) continue;
    if (atMs - clean >= CLEAN_MS) break;
    clean = atMs;
  }
  const last = failures.findLast((atMs) => atMs <= clean && atMs >= healedMs);
  if (untilMs - clean < CLEAN_MS) return undefined;
  return last === undefined ? 0 : clean - healedMs;
}

export function faultWindows(
  attempts: readonly Attempt[],
  marks: readonly Mark[],
  { zeroMs, durationMs }: { zeroMs: number; durationMs: number },
): FaultWindow[] {
  const failures = attempts
    .filter(({ isFailure }) => isFailure)
    .map(({ intendedMs }) => intendedMs - zeroMs)
    .sort((a, b) => a - b);
  const times = faultTimes(marks);
  return times.map(({ fromMs, healedMs }, at) => {
    const untilMs = times[at + 1]?.fromMs ?? durationMs;
    const recoveredMs = recoveryAfter(
      healedMs,
      failures.filter((atMs) => atMs < untilMs),
      untilMs,
    );
    const endMs = recoveredMs === undefined ? untilMs : healedMs + recoveredMs;
    const within = attempts.filter((attempt) => wasUnderWay(attempt, zeroMs, fromMs, endMs));
    const failed = within.filter(({ isFailure }) => isFailure).length;
    return { fromMs, healedMs, recoveredMs, endMs, failed, requests: within.length };
  });
}

/** A fault may have come so long before it was noticed, and marked. */
const NOTICE_MS = 1000;

export function isWithin(atMs: number, fromMs: number, endMs: number): boolean {
  return atMs >= fromMs - NOTICE_MS && atMs <= endMs;
}

/** Whether any of its time, from when it was due until it ended, lies within. */
function wasUnderWay(
  { intendedMs, endedMs }: Attempt,
  zeroMs: number,
  fromMs: number,
  untilMs: number,
): boolean {
  return endedMs - zeroMs >= fromMs - NOTICE_MS && intendedMs - zeroMs <= untilMs;
}

/** A stretch of the load. */
export interface Span {
  fromMs: number;
  endMs: number;
}

/** Pure: the same stretches without overlaps, in their order. A fault that comes before recovery from the last goes on with it. */
export function mergeSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const { fromMs, endMs } of spans.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1);
    if (last && fromMs <= last.endMs) last.endMs = Math.max(last.endMs, endMs);
    else merged.push({ fromMs, endMs: Math.max(fromMs, endMs) });
  }
  return merged;
}

export interface Divided {
  inside: Attempt[];
  outside: Attempt[];
}

/**
 * Requests that were under way while something was broken or recovered from, and all others: each is on one side, however
 * the faults overlap.
 */
export function divide(attempts: readonly Attempt[], windows: readonly Span[], zeroMs: number): Divided {
  const spans = mergeSpans(windows);
  const divided: Divided = { inside: [], outside: [] };
  for (const attempt of attempts) {
    const isInside = spans.some(({ fromMs, endMs }) => wasUnderWay(attempt, zeroMs, fromMs, endMs));
    divided[isInside ? 'inside' : 'outside'].push(attempt);
  }
  return divided;
}
