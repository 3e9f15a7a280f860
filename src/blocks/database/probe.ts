/**
 * Whether the database can be reached.
 *
 * States:  up ──a failure is seen──▶ down ──a probe is answered──▶ up        One connection that broke while the
 * server is well costs one probe, which is sent at once; a server that is away is asked again every `PROBE_EVERY_MS`.
 */
import type { Clock, Timer } from '#base/clock';
import { describeError } from '#base/errors';
import type { Health } from '#base/lifecycle';

export const PROBE_EVERY_MS = 500;

export interface Probe {
  /** Tells that something could not reach the database. */
  failed(error: unknown): void;
  /** Tells that it has been reached. */
  answered(): void;
  health(): Health;
  close(): void;
}

/** @param ask sends something to the database and waits for its answer; must settle by itself */
export function createProbe(clock: Clock, ask: () => Promise<unknown>): Probe {
  let reason: string | undefined;
  let timer: Timer | undefined;
  let isClosed = false;

  function probe(delayMs: number): void {
    timer = clock.after(
      delayMs,
      () => {
        ask().then(
          () => {
            reason = undefined;
          },
          (error: unknown) => {
            reason = describeError(error);
            if (!isClosed) probe(PROBE_EVERY_MS);
          },
        );
      },
      'background',
    );
  }

  return {
    failed(error) {
      if (reason !== undefined || isClosed) return;
      reason = describeError(error);
      probe(0);
    },
    answered() {
      reason = undefined;
      timer?.cancel();
    },
    health: () =>
      reason === undefined
        ? { status: 'ok' }
        : { status: 'failing', reason: `the database cannot be reached: ${reason}` },
    close() {
      isClosed = true;
      timer?.cancel();
    },
  };
}
