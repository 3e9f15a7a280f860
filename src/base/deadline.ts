/**
 * Deadlines travel as AbortSignals: whoever waits listens to the signal, and its reason is the coded error.
 */
import type { Clock } from './clock.ts';
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

/** Waits for `work`, or rejects with the signal's reason if that comes first; `work` itself goes on. */
export function withSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
