/**
 * Whether the database can be reached.
 *
 * States:  up ──a failure is seen──▶ down ──a probe is answered──▶ up        One connection that broke while the
 *           │                         ▲ │                                    server is well costs one probe, which is
 *           └──suspected, and a probe─┘ └──a probe is not answered──▶ silent sent at once; a server that is away is
 *              is not answered                                               asked again every `PROBE_EVERY_MS`.
 *
 * `silent` is down in the worst way: nothing refuses and nothing answers, as when the network swallows all. Whoever asks
 * such a database anything waits until its own deadline.
 */
import type { Clock, Timer } from '#base/clock';
import { describeError, isLoadstoneError } from '#base/errors';
import type { Health } from '#base/lifecycle';

export const PROBE_EVERY_MS = 500;

export interface Probe {
  /** Tells that something could not reach the database. */
  failed(error: unknown): void;
  /** Tells that something has waited for its answer for long: a probe finds out whether that is the database's doing. */
  suspect(): void;
  /** Tells that it has been reached. */
  answered(): void;
  isSilent(): boolean;
  health(): Health;
  close(): void;
}

type State = { kind: 'up' | 'suspected' } | { kind: 'down' | 'silent'; reason: string };

/**
 * @param ask sends something to the database and waits for its answer; settles by itself, with `deadline_exceeded` when
 *   there is none
 * @param onSilent told when the database has become silent
 */
export function createProbe(clock: Clock, ask: () => Promise<unknown>, onSilent: () => void): Probe {
  let state: State = { kind: 'up' };
  let timer: Timer | undefined;
  let isClosed = false;

  function unanswered(error: unknown): void {
    if (isClosed) return;
    const isSilent = isLoadstoneError(error) && error.code === 'deadline_exceeded';
    const wasSilent = state.kind === 'silent';
    state = isSilent
      ? { kind: 'silent', reason: 'it does not answer' }
      : { kind: 'down', reason: describeError(error) };
    if (isSilent && !wasSilent) onSilent();
    probe(PROBE_EVERY_MS);
  }

  function probe(delayMs: number): void {
    const send = () => {
      ask().then(() => {
        state = { kind: 'up' };
      }, unanswered);
    };
    timer = clock.after(delayMs, send, 'background');
  }

  return {
    failed(error) {
      if (state.kind === 'down' || state.kind === 'silent' || isClosed) return;
      const isAsking = state.kind === 'suspected';
      state = { kind: 'down', reason: describeError(error) };
      if (!isAsking) probe(0);
    },
    suspect() {
      if (state.kind !== 'up' || isClosed) return;
      state = { kind: 'suspected' };
      probe(0);
    },
    answered() {
      state = { kind: 'up' };
      timer?.cancel();
    },
    isSilent: () => state.kind === 'silent',
    health: () =>
      'reason' in state
        ? { status: 'failing', reason: `the database cannot be reached: ${state.reason}` }
        : { status: 'ok' },
    close() {
      isClosed = true;
      timer?.cancel();
    },
  };
}
