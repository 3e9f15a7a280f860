/**
 * Deadlines travel as AbortSignals: whoever waits listens to the signal, and its reason is the coded error.
 */
import type { Clock, Timer } from './clock.ts';
import { defineErrors } from './errors.ts';

export const deadlineErrors = defineErrors('base', {
  deadline_exceeded: {
    status: 504,
    title: 'The request took too long',
    retryable: true,
    doc: 'The work did not finish before the request deadline (`http.requestTimeoutMs`) and was cancelled. Whether a write took place is known only after reading it back.',
  },
});

/** A signal that aborts after `delayMs` or with `parent`. `done` frees its timer: call it when the work ends. */
export interface Deadline {
  signal: AbortSignal;
  done(): void;
}

export function createDeadline(clock: Clock, delayMs: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  const onParent = () => controller.abort(parent?.reason);
  if (parent?.aborted) onParent();
  parent?.addEventListener('abort', onParent, { once: true });
  const timer = clock.after(
    delayMs,
    () => controller.abort(deadlineErrors.deadline_exceeded({ detail: `not finished within ${delayMs} ms` })),
    'background',
  );
  return {
    signal: controller.signal,
    done() {
      timer.cancel();
      parent?.removeEventListener('abort', onParent);
    },
  };
}

/** Of the time of a patient deadline: so many turns of the event loop it takes at least. */
const TURNS_MIN = 10;

/**
 * A deadline for the answers of others, by which it is decided that they do not answer at all: it waits at least ten turns
 * of the event loop. When a burst of requests has held the loop for longer than `delayMs`, the answer has come and is yet to be
 * read; by the clock alone a database that answers would be taken for one that does not.
 */
export function createPatientDeadline(clock: Clock, delayMs: number): Deadline {
  const controller = new AbortController();
  let timer: Timer | undefined;
  let turns = 0;
  function wait(): void {
    timer = clock.after(delayMs / TURNS_MIN, next, 'background');
  }
  function next(): void {
    turns += 1;
    if (turns < TURNS_MIN) {
      wait();
      return;
    }
    controller.abort(deadlineErrors.deadline_exceeded({ detail: `not finished within ${delayMs} ms` }));
  }
  wait();
  return { signal: controller.signal, done: () => timer?.cancel() };
}

/** Waits for `work`, or rejects with the signal's reason if that comes first; `work` itself goes on. */
export function withSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
