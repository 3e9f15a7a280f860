/**
 * Time. Everything that reads or waits for time takes a `Clock`, so that tests and simulations drive it.
 */

/** A scheduled call; `cancel` is safe after it has run. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall-clock time in milliseconds since 1970, as the machine believes it (may step back). */
  nowMs(): number;
  /** Milliseconds on a clock that never steps back; its zero has no meaning. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`. A background timer does not keep the process alive. */
  after(delayMs: number, run: () => void, kind?: 'foreground' | 'background'): Timer;
}

/** Longest delay that a JavaScript timer carries out; a longer one would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run, kind = 'foreground') {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), DELAY_MS_MAX));
    if (kind === 'background') timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

const COARSE_MS = 1;
const COARSE_READS_MAX = 64;

/**
 * `clock.monotonicMs`, for what reads it a million times a second: the time is looked up once a millisecond, and at every 64th
 * read, so that it goes on where a timer cannot. It may be late by a millisecond, or by 63 reads in a row. To look the time up
 * takes as long as to find a key in a Map.
 */
export function createCoarseTime(clock: Clock): () => number {
  let knownMs = 0;
  let reads = COARSE_READS_MAX;
  let isTimed = false;
  const forget = () => {
    reads = COARSE_READS_MAX;
    isTimed = false;
  };
  return () => {
    if (reads < COARSE_READS_MAX) {
      reads += 1;
      return knownMs;
    }
    knownMs = clock.monotonicMs();
    if (!isTimed) {
      isTimed = true;
      clock.after(COARSE_MS, forget, 'background');
    }
    reads = 1;
    return knownMs;
  };
}

/**
 * About `everyMs`, and the same moment for all who ask with the same interval: what a process does regularly it does
 * together, so that it wakes once for it. At first from a quarter to one and a quarter of it.
 */
export function togetherMs(clock: Clock, everyMs: number): number {
  const intoMs = clock.monotonicMs() % everyMs;
  const untilMs = everyMs - intoMs;
  // Timers may come a moment early: that is the same beat, and not the one before it.
  return untilMs > everyMs / 4 ? untilMs : untilMs + everyMs;
}

/** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** A clock that moves only when told to. Timers due within an `advance` run in order of their time. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
  /** Moves the wall clock alone, as a machine's clock correction does. */
  step(ms: number): void;
}

export function createManualClock(startMs = 1_800_000_000_000): ManualClock {
  let monotonic = 0;
  let wall = startMs;
  let timers: { dueMs: number; order: number; run: () => void }[] = [];
  let order = 0;

  function runNextDue(untilMs: number): boolean {
    const due = timers
      .filter((t) => t.dueMs <= untilMs)
      .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
    if (!due) return false;
    timers = timers.filter((t) => t !== due);
    const movedMs = Math.max(0, due.dueMs - monotonic);
    monotonic += movedMs;
    wall += movedMs;
    due.run();
    return true;
  }

  return {
    nowMs: () => wall,
    monotonicMs: () => monotonic,
    after(delayMs, run) {
      const timer = { dueMs: monotonic + Math.max(0, delayMs), order: order++, run };
      timers.push(timer);
      return {
        cancel: () => {
          timers = timers.filter((t) => t !== timer);
        },
      };
    },
    advance(ms) {
      const untilMs = monotonic + ms;
      while (runNextDue(untilMs));
      wall += untilMs - monotonic;
      monotonic = untilMs;
    },
    step(ms) {
      wall += ms;
    },
  };
}
