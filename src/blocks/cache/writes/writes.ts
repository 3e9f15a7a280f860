/**
 * Three ways to write, and what of a value is kept after each.
 *
 * A write is a fill that begins before the origin is told. When it has ended and nothing else of the key has changed meanwhile,
 * its value is the newest and is kept; when another write overlapped, nobody knows which the origin took last, and nothing is.
 * A write that failed may have been made: nothing is kept either.
 */

import assert from 'node:assert/strict';
import type { Runtime } from '#base/runtime';
import type { Invalidation } from '../bus.ts';
import type { Loaded } from '../entries.ts';
import { cacheErrors } from '../errors.ts';
import { coded, type Loads } from '../loads.ts';
import type { CacheOptions } from '../options.ts';
import type { Answer, CacheStore, Entry, Fill } from '../store.ts';
import { createWriteBehind, type Write } from './write-behind.ts';

/** What the origin tells of what it has taken. */
export interface Written {
  /** Of the commit. */
  version?: number | undefined;
  tags?: readonly string[] | undefined;
  ttlMs?: number | undefined;
}

/** All of them, or none: one for the ways that wait, up to `writeBatchMax` behind. */
export type Writer<V> = (batch: readonly Write<V>[]) => Promise<Written | undefined>;

export interface WritesDeps<V> extends Runtime {
  store: CacheStore<V>;
  loads: Loads<V>;
  entryOf(key: string, loaded: Loaded<V>): Entry<V>;
  write: Writer<V> | undefined;
  tell(invalidation: Invalidation): Answer<void>;
}

/** Of a cache without a writer none may be called. */
export function createWrites<V>(options: CacheOptions, deps: WritesDeps<V>) {
  const { store, loads, log, entryOf, tell } = deps;
  let underWay = 0;

  function writer(): Writer<V> {
    assert(deps.write, 'a cache writes by `write`');
    return deps.write;
  }

  /** The others are told when it is written; that they cannot be is no reason to write it again. */
  async function writeBatch(batch: readonly Write<V>[]): Promise<void> {
    const fills = await Promise.all(batch.map(({ key }) => store.begin(key)));
    const begun = batch.map((each, at) => ({ ...each, fill: fills[at] as Fill }));
    try {
      const written = (await writer()(batch)) ?? {};
      for (const { key, value, fill } of begun) {
        await store.write(key, fill, entryOf(key, { value, ...written }));
        loads.forget(key);
      }
      const keys = batch.map(({ key }) => key);
      try {
        await tell({ keys, version: written.version });
      } catch (error) {
        log.warn({ err: error, values: keys.length }, 'others could not be told of values written behind');
      }
    } finally {
      for (const { key, fill } of begun) await store.abandon(key, fill);
    }
  }

  const behind = deps.write && createWriteBehind<V>(options, { ...deps, write: writeBatch });

  /** @param isKept whether its value is kept */
  async function write(key: string, value: V, isKept: boolean): Promise<void> {
    if (underWay >= options.loadsMax) throw cacheErrors.cache_writes_full({ retryAfterS: 1 });
    underWay += 1;
    try {
      const fill = await store.begin(key);
      try {
        const written = (await writer()([{ key, value }])) ?? {};
        loads.forget(key);
        if (isKept) await store.write(key, fill, entryOf(key, { value, ...written }));
        else await store.invalidate([key], written.version);
        loads.forget(key);
        await tell({ keys: [key], version: written.version });
      } catch (error) {
        loads.forget(key);
        await store.invalidate([key]);
        throw coded(error, cacheErrors.cache_write_failed);
      } finally {
        await store.abandon(key, fill);
      }
    } finally {
      underWay -= 1;
    }
  }

  return {
    behind,
    through: (key: string, value: V) => write(key, value, true),
    around: (key: string, value: V) => write(key, value, false),
    later(key: string, value: V): void {
      assert(behind, 'a cache writes by `write`');
      behind.take(key, value);
      loads.forget(key);
    },
    peek: (key: string): V | undefined => behind?.peek(key),
    isEmpty: () => behind === undefined || behind.size() === 0,
    close: async (deadline: AbortSignal) => behind?.close(deadline),
  };
}
