/**
 * A cache on a clock that is moved by hand, over an origin whose answers are given by hand.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { createManualClock } from '#base/clock';
import { parseOptions } from '#base/options';
import { seededRandom } from '#base/random';
import type { Follower, Invalidation, InvalidationBus } from './bus.ts';
import { type CacheDeps, createCache } from './cache.ts';
import type { Loaded } from './entries.ts';
import type { LoadCall } from './loads.ts';
import { type CacheOptions, cacheOptions } from './options.ts';

export interface Asked {
  key: string;
  call: LoadCall;
  answer(loaded: Loaded<string> | string | undefined): Promise<void>;
  fail(error: unknown): Promise<void>;
}

/** Lets everything happen that can. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 5; n++) await turn();
}

/** Options as configured: no jitter unless given. */
export function optionsOf(given: Partial<CacheOptions> = {}): CacheOptions {
  return parseOptions(cacheOptions, { ttlMs: 1000, ttlJitter: 0, ...given }) as CacheOptions;
}

/** @param more replaces what the fixture gives */
export function createCacheFixture(given: Partial<CacheOptions> = {}, more: Partial<CacheDeps<string>> = {}) {
  const clock = createManualClock();
  const asked: Asked[] = [];
  function load(key: string, call: LoadCall): Promise<Loaded<string>> {
    const { promise, resolve, reject } = Promise.withResolvers<Loaded<string>>();
    asked.push({
      key,
      call,
      async answer(loaded) {
        resolve(typeof loaded === 'object' ? loaded : { value: loaded });
        await settle();
      },
      async fail(error) {
        reject(error);
        await settle();
      },
    });
    return promise;
  }
  const deps = { name: 'tested', clock, random: seededRandom(1), load, ...more };
  const cache = createCache<string>(optionsOf(given), deps);
  return { clock, cache, asked };
}

/** What connects caches of one process as if they were of several: delivers when told to, and can lose. */
export function createBusFixture(clock: { monotonicMs(): number }) {
  const members: { follower: Follower | undefined; waiting: Invalidation[]; heardMs: number }[] = [];
  return {
    member(): InvalidationBus {
      const own: (typeof members)[number] = { follower: undefined, waiting: [], heardMs: 0 };
      members.push(own);
      return {
        publish(invalidation) {
          for (const other of members) if (other !== own && other.follower) other.waiting.push(invalidation);
        },
        follow(follower) {
          own.follower = follower;
          own.heardMs = clock.monotonicMs();
          return () => {
            own.follower = undefined;
          };
        },
        heardMs: () => own.heardMs,
      };
    },
    /** All that waits arrives. */
    deliver(): void {
      for (const member of members) {
        member.heardMs = clock.monotonicMs();
        for (const each of member.waiting.splice(0)) member.follower?.invalidated(each);
      }
    },
    /** It is gone; the members learn only that something may be. */
    lose(): void {
      for (const member of members) {
        if (member.waiting.splice(0).length > 0) member.follower?.missed();
      }
    },
  };
}
