/**
 * Values that are taken now and written later, a few at a time. Of a key only the last value is written.
 *
 *   waiting ──writeBehindMs, or a batch is full──▶ being written ──▶ written
 *      ▲                                               │ failed in a way that may pass: again, with growing pauses
 *      └───────────────────────────────────────────────┘ refused for good: dropped, logged and counted
 *
 * What waits or is being written is lost when the process dies: at most `writesMax` values, and of a working origin none older
 * than `writeBehindMs` and the time of a write.
 */

import { backoffMs } from '#base/backoff';
import type { Timer } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import { cacheErrors } from '../errors.ts';

export interface WriteBehindOptions {
  writesMax: number;
  writeBehindMs: number;
  writeBatchMax: number;
}

export interface Write<V> {
  key: string;
  value: V;
}

export interface WriteBehindDeps<V> extends Runtime {
  /** All of them, or none. */
  write(batch: readonly Write<V>[]): Promise<void>;
}

export interface WriteBehind<V> {
  /** @throws cache_writes_full */
  take(key: string, value: V): void;
  /** What is not written yet. */
  peek(key: string): V | undefined;
  size(): number;
  /** Writes all there is. Rejects with cache_writes_lost when the signal aborts first; nothing is taken from then on. */
  close(deadline: AbortSignal): Promise<void>;
  counts: { written: number; lost: number };
}

const RETRY = { baseMs: 100, maxMs: 5000 };

/** @param options its bounds */
export function createWriteBehind<V>(options: WriteBehindOptions, deps: WriteBehindDeps<V>): WriteBehind<V> {
  const { clock, random, log, write } = deps;
  const counts = { written: 0, lost: 0 };
  const waiting = new Map<string, V>();
  let writing = new Map<string, V>();
  let failures = 0;
  let timer: Timer | undefined;
  let isClosing = false;
  /** Closed too late: what has not been written is given up. */
  let isOver = false;
  let closed = Promise.withResolvers<void>();

  function schedule(afterMs: number): void {
    if (isOver || timer !== undefined || writing.size > 0 || waiting.size === 0) return;
    timer = clock.after(afterMs, () => {
      timer = undefined;
      void writeBatch();
    });
  }

  /** What was written anew meanwhile is newer. */
  function takeBack(batch: ReadonlyMap<string, V>): void {
    const newer = [...waiting];
    waiting.clear();
    for (const [key, value] of [...batch, ...newer]) waiting.set(key, value);
  }

  async function writeBatch(): Promise<void> {
    writing = new Map([...waiting].slice(0, options.writeBatchMax));
    for (const key of writing.keys()) waiting.delete(key);
    const batch = writing;
    let pauseMs = isClosing || waiting.size >= options.writeBatchMax ? 0 : options.writeBehindMs;
    try {
      await write([...batch].map(([key, value]) => ({ key, value })));
      counts.written += batch.size;
      failures = 0;
    } catch (error) {
      failures += 1;
      if (isLoadstoneError(error) && !error.retryable) {
        counts.lost += batch.size;
        log.error({ err: error, values: batch.size }, 'values written behind were refused, and are lost');
      } else {
        log.warn({ err: error, values: batch.size }, 'values cannot be written behind; trying again');
        takeBack(batch);
        pauseMs = backoffMs(RETRY, failures, random);
      }
    }
    writing = new Map();
    if (waiting.size === 0) closed.resolve();
    schedule(pauseMs);
  }

  /** Now, and not when the timer would have. */
  function hurry(): void {
    timer?.cancel();
    timer = undefined;
    schedule(0);
  }

  return {
    counts,
    size: () => waiting.size + writing.size,
    peek: (key) => waiting.get(key) ?? writing.get(key),
    take(key, value) {
      const isFull = waiting.size + writing.size >= options.writesMax && !waiting.has(key);
      if (isFull || isClosing) throw cacheErrors.cache_writes_full({ retryAfterS: 1 });
      waiting.delete(key);
      waiting.set(key, value);
      if (waiting.size === options.writeBatchMax && failures === 0) hurry();
      else schedule(options.writeBehindMs);
    },
    async close(deadline) {
      isClosing = true;
      if (waiting.size + writing.size === 0) return;
      closed = Promise.withResolvers<void>();
      const late = Promise.withResolvers<never>();
      const onLate = () => {
        isOver = true;
        timer?.cancel();
        const lost = waiting.size + writing.size;
        counts.lost += lost;
        late.reject(cacheErrors.cache_writes_lost({ detail: `${lost} values were not written` }));
      };
      if (deadline.aborted) onLate();
      deadline.addEventListener('abort', onLate, { once: true });
      if (!deadline.aborted) hurry();
      try {
        await Promise.race([closed.promise, late.promise]);
      } finally {
        deadline.removeEventListener('abort', onLate);
      }
    },
  };
}
