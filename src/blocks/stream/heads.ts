/**
 * How far each stream has grown, as this process knows: told at once by a relay in this process, by polling otherwise.
 * One query for all streams, and only while somebody watches, so that many consumers cost no more than one.
 */
import type { Clock } from '#base/clock';
import { withSignal } from '#base/deadline';
import { describeError } from '#base/errors';
import type { Health } from '#base/lifecycle';
import type { Log } from '#base/log';
import { createBell } from './bell.ts';
import { comparePositions, POSITION_MIN } from './event.ts';
import type { LogStore, StreamHead } from './store.ts';

export interface Heads {
  /** The newest position of the stream that is known here. */
  of(streamId: number): string;
  grown(heads: readonly StreamHead[]): void;
  /** Calls `listener` at each growth of the stream. Returns the unsubscribe. */
  watch(streamId: number, listener: () => void): () => void;
  begin(): void;
  end(): Promise<void>;
  health(): Health;
}

const IDLE_MS = 60_000;
const RETRY_MS = 500;
/** Past it the log is asked in any case: what a relay could not tell, having lost an answer, must not stay unseen. */
const UNPOLLED_MS_MAX = 1000;

export function createHeads(
  { pollMs }: { pollMs: number },
  { clock, log, store }: { clock: Clock; log: Log; store: Pick<LogStore, 'headsAfter'> },
): Heads {
  const known = new Map<number, string>();
  const listeners = new Map<number, Set<() => void>>();
  const bell = createBell(clock);
  const closing = new AbortController();
  /** As far as polls have asked: what a relay tells is of the streams of one batch, and others may have grown before it. */
  let polled = POSITION_MIN;
  let polledMs = Number.NEGATIVE_INFINITY;
  let grownMs = Number.NEGATIVE_INFINITY;
  let failure: string | undefined;
  let running = Promise.resolve();

  function grown(heads: readonly StreamHead[]): void {
    for (const { streamId, position } of heads) {
      if (comparePositions(position, known.get(streamId) ?? POSITION_MIN) <= 0) continue;
      known.set(streamId, position);
      for (const listener of listeners.get(streamId) ?? []) listener();
    }
  }

  async function poll(): Promise<void> {
    try {
      const heads = await withSignal(store.headsAfter(polled), closing.signal);
      for (const { position } of heads) if (comparePositions(position, polled) > 0) polled = position;
      polledMs = clock.monotonicMs();
      grown(heads);
      failure = undefined;
    } catch (error) {
      if (closing.signal.aborted) return;
      if (failure === undefined)
        log.warn({ err: error }, 'the log could not be asked for news; trying again');
      failure = describeError(error);
    }
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      if (listeners.size === 0) await bell.wait(IDLE_MS);
      else await bell.wait(failure === undefined ? pollMs : RETRY_MS);
      // A relay in this process is the only writer there is: while it tells, hardly anybody else has news.
      const nowMs = clock.monotonicMs();
      const isTold = nowMs - grownMs < pollMs && nowMs - polledMs < UNPOLLED_MS_MAX;
      if (!closing.signal.aborted && listeners.size > 0 && !isTold) await poll();
    }
  }

  return {
    of: (streamId) => known.get(streamId) ?? POSITION_MIN,
    grown(heads) {
      if (heads.length > 0) grownMs = clock.monotonicMs();
      grown(heads);
    },
    watch(streamId, listener) {
      const own = listeners.get(streamId) ?? new Set();
      listeners.set(streamId, own.add(listener));
      bell.ring();
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(streamId) === own) listeners.delete(streamId);
      };
    },
    begin() {
      running = run();
    },
    async end() {
      closing.abort(new Error('the log is being closed'));
      bell.ring();
      await running;
    },
    health: () =>
      failure === undefined ? { status: 'ok' } : { status: 'failing', reason: `the log: ${failure}` },
  };
}
