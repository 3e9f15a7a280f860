/**
 * Follows a stream for people who look on: every event from a position on, in the order of positions, as it comes.
 * There is no group and no memory of how far it got: whoever follows keeps the position.
 */

import { backoffMs } from '#base/backoff';
import { withSignal } from '#base/deadline';
import { isLoadstoneError } from '#base/errors';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import { comparePositions, type StreamEvent, type StreamInfo } from './event.ts';
import type { EventDefinition, TypedEvent } from './event-definition.ts';
import type { Heads } from './heads.ts';
import { assertKept } from './kept.ts';
import type { LogStore } from './store.ts';

export interface TailOptions {
  /** A position, or what is the newest now. */
  after: string | 'latest';
  /** Given the next events; the ones after them come when it has resolved. */
  onEvents: (events: readonly StreamEvent[]) => void | Promise<void>;
  /**
   * Called once if the tail ends by itself: `position_expired` when retention has overtaken it, or what `onEvents` threw.
   */
  onEnd: (error: unknown) => void;
}

/** The same for events that are read by their definitions. */
export interface FollowOptions<Definition extends EventDefinition> extends Omit<TailOptions, 'onEvents'> {
  onEvents: (events: readonly TypedEvent<Definition, StreamEvent>[]) => void | Promise<void>;
}

export interface Tail {
  /** All events up to it have been given. */
  position(): string;
  close(): Promise<void>;
}

export interface TailDeps extends Runtime {
  store: Pick<LogStore, 'read' | 'firstKept' | 'head'>;
  heads: Heads;
}

const LIMIT = { eventsMax: 256, perPartitionMax: 256, bytesMax: 4_194_304 };
const RETRY = { baseMs: 50, maxMs: 2000 };
/** Longest wait when nothing rings: a bound, not a rhythm. */
const IDLE_MS = 60_000;

/** @throws position_expired */
export async function openTail(stream: StreamInfo, options: TailOptions, deps: TailDeps): Promise<Tail> {
  const { clock, random, log, store, heads } = deps;
  let position = options.after === 'latest' ? await store.head() : options.after;
  let caughtUpTo: string | undefined;

  async function readNext(): Promise<readonly StreamEvent[]> {
    const head = heads.of(stream.streamId);
    if (caughtUpTo !== undefined && comparePositions(caughtUpTo, head) >= 0) return [];
    const cursors = Array.from({ length: stream.partitions }, (_, partition) => ({
      partition,
      after: position,
    }));
    const { events, isWhole } = await store.read(stream, cursors, LIMIT);
    await assertKept(store, stream, position);
    caughtUpTo = isWhole ? head : undefined;
    return events;
  }

  function end(error: unknown): number {
    unwatch();
    if (!loop.isStopping()) options.onEnd(error);
    void loop.stop();
    return 0;
  }

  const loop = createLoop(clock, {
    async work() {
      const events = await withSignal(readNext(), loop.signal);
      const last = events.at(-1);
      if (!last) return caughtUpTo === undefined ? 0 : IDLE_MS;
      try {
        await options.onEvents(events);
      } catch (error) {
        return end(error);
      }
      position = last.position;
      return 0;
    },
    failed(error, failures) {
      if (isLoadstoneError(error) && error.code === 'position_expired') return end(error);
      log.warn({ stream: stream.name, err: error }, 'a stream could not be followed; trying again');
      return backoffMs(RETRY, failures, random);
    },
  });

  await assertKept(store, stream, position);
  const unwatch = heads.watch(stream.streamId, loop.hurry);
  loop.begin();
  return {
    position: () => position,
    async close() {
      unwatch();
      await loop.stop();
    },
  };
}
