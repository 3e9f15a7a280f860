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
  const siblings = parent && followersOf(parent);
  if (parent?.aborted) controller.abort(parent.reason);
  else siblings?.add(controller);
  const timer = clock.after(
    delayMs,
    () => controller.abort(deadlineErrors.deadline_exceeded({ detail: `not finished within ${delayMs} ms` })),
    'background',
  );
  return {
    signal: controller.signal,
    done() {
      timer.cancel();
      siblings?.delete(controller);
    },
  };
}

/**
 * Who ends with a signal. One listener for all of them: a signal looks through the listeners it has for each one that is
 * added or removed, and of the signal that ends all requests there is one for each of these.
 */
const followers = new WeakMap<AbortSignal, Set<AbortController>>();

function followersOf(parent: AbortSignal): Set<AbortController> {
  const known = followers.get(parent);
  if (known) return known;
  const all = new Set<AbortController>();
  followers.set(parent, all);
  const abortAll = () => {
    for (const each of all) each.abort(parent.reason);
    all.clear();
  };
  parent.addEventListener('abort', abortAll, { once: true });
  return all;
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
    const stopListening = () => signal.removeEventListener('abort', onAbort);
    work.then(
      (value) => {
        stopListening();
        resolve(value);
      },
      (error: unknown) => {
        stopListening();
        reject(error);
      },
    );
  });
}
