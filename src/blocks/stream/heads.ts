/**
 * How far each stream has grown, as this process knows: told at once by a relay in this process, and by those of
 * others through wakeups. Now and then it asks all the same: one query for all streams, and only while somebody watches.
 */
import { withSignal } from '#base/deadline';
import type { Health } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import { createLookInterval, type News, type Wakeups } from '#blocks/wakeup';
import { comparePositions, POSITION_MIN } from './event.ts';
import type { LogStore, StreamHead } from './store.ts';

export interface Heads {
  /** The newest position of the stream that is known here. */
  of(streamId: number): string;
  grown(heads: readonly StreamHead[]): void;
  /** Something may have grown that nobody could tell of. */
  missed(): void;
  /** Calls `listener` at each growth of the stream. Returns the unsubscribe. */
  watch(streamId: number, listener: () => void): () => void;
  begin(): void;
  end(): Promise<void>;
  health(): Health;
}

const IDLE_MS = 60_000;
const RETRY_MS = 500;

export function createHeads(
  { pollMs }: { pollMs: number },
  {
    clock,
    log,
    store,
    wakeups,
  }: Pick<Runtime, 'clock' | 'log'> & {
    store: Pick<LogStore, 'headsAfter'>;
    wakeups: Pick<Wakeups, 'on' | 'isListening' | 'lookMsMax'>;
  },
): Heads {
  const known = new Map<number, string>();
  const listeners = new Map<number, Set<() => void>>();
  /** As far as polls have asked: what a relay tells is of the streams of one batch, and others may have grown before it. */
  let polled = POSITION_MIN;
  const interval = createLookInterval({ pollMs }, { clock, wakeups });
  let isMissing = false;
  let unsubscribe = () => {};
  const loop = createLoop(clock, {
    async work() {
      if (listeners.size > 0) await poll();
      return listeners.size > 0 ? interval.nextMs() : IDLE_MS;
    },
    failed(error, failures) {
      if (failures === 1) log.warn({ err: error }, 'the log could not be asked for news; trying again');
      return RETRY_MS;
    },
  });

  /** @returns whether any of them was news */
  function grown(heads: readonly StreamHead[]): boolean {
    let isNew = false;
    for (const { streamId, position } of heads) {
      if (comparePositions(position, known.get(streamId) ?? POSITION_MIN) <= 0) continue;
      isNew = true;
      known.set(streamId, position);
      for (const listener of listeners.get(streamId) ?? []) listener();
    }
    if (isNew) interval.stirred();
    return isNew;
  }

  function missed(): void {
    isMissing = true;
    loop.hurry();
  }

  function onNews(news: News): void {
    if (!news) missed();
    else grown([...news].map(([streamId, position]) => ({ streamId: Number(streamId), position })));
  }

  async function poll(): Promise<void> {
    const heads = await withSignal(store.headsAfter(polled), loop.signal);
    for (const { position } of heads) if (comparePositions(position, polled) > 0) polled = position;
    const isTold = isMissing;
    isMissing = false;
    if (grown(heads) && !isTold) interval.foundUntold();
  }

  return {
    of: (streamId) => known.get(streamId) ?? POSITION_MIN,
    grown,
    missed,
    watch(streamId, listener) {
      const own = listeners.get(streamId) ?? new Set();
      listeners.set(streamId, own.add(listener));
      missed();
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(streamId) === own) listeners.delete(streamId);
      };
    },
    begin() {
      unsubscribe = wakeups.on('log', onNews);
      loop.begin();
    },
    async end() {
      unsubscribe();
      await loop.stop();
    },
    health: () => loop.health('the log'),
  };
}
