/**
 * The redirect: a raw route. A hit in the cache touches nothing else; misses of one tick share one
 * query, and while a query is under way the next ones gather, so that a storm of misses costs few round trips.
 */
import type { Clock } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { createLookUps } from '#blocks/database';
import { PASS, type RawAnswer, type RawCall, type RawShape } from '#blocks/system';
import type { redirectShape } from '../api.ts';
import { linksErrors } from '../errors.ts';
import { isCode } from '../fields/alias.ts';
import { cacheControl } from '../fields/expiry.ts';
import type { LinksOptions } from '../options.ts';
import type { LinksStore, Target } from '../store.ts';
import { type CachedTarget, createTargetCache } from './target-cache.ts';

type Following = typeof redirectShape extends (...of: never) => RawShape<infer P, infer B>
  ? RawCall<P, B>
  : never;

export interface Redirects {
  /** Answers `GET|HEAD /{code}`, unless that is no code. */
  answer(call: Following): RawAnswer;
  /** A code's target has changed. */
  changed(code: string): void;
  /** What has changed is not known. */
  allChanged(): void;
  /** Each request counts once. */
  counts: { hit: number; miss: number; unknown: number; gone: number; stale: number };
}

const WAITING_MAX = 10_000;
const BATCH_MAX = 500;
/** A database that does not answer in this time is treated as one that cannot be reached. */
const LOOK_UP_MS_MAX = 2000;

export function createRedirects(options: LinksOptions, deps: { clock: Clock; store: LinksStore }): Redirects {
  const { clock } = deps;
  const counts = { hit: 0, miss: 0, unknown: 0, gone: 0, stale: 0 };
  const cache = createTargetCache(
    { entriesMax: options.cacheEntriesMax, ttlMs: options.cacheTtlMs, staleMsMax: options.staleMsMax },
    deps,
  );
  const lookUps = createLookUps<Target>(
    {
      waitingMax: WAITING_MAX,
      batchMax: BATCH_MAX,
      timeoutMs: LOOK_UP_MS_MAX,
      find: async (codes, signal) =>
        new Map((await deps.store.targets(codes, signal)).map((target) => [target.code, target])),
      refuse: (waiting) =>
        linksErrors.redirects_busy({ detail: `${waiting} redirects are waiting`, retryAfterS: 1 }),
    },
    { clock },
  );
  const plainCacheControl = cacheControl(null, 0, options.browserMaxAgeS);

  function send(call: Following, target: CachedTarget, nowMs: number): void {
    const { expiresAtMs } = target;
    const headers = [
      'location',
      target.url,
      'cache-control',
      expiresAtMs === null ? plainCacheControl : cacheControl(expiresAtMs, nowMs, options.browserMaxAgeS),
      'content-length',
      '0',
    ];
    call.writeHead(target.redirectStatus, headers).end();
  }

  /** What a person is told of what has become of the link. */
  function textOf(error: unknown): { title: string; text: string } | undefined {
    const { unknownTitle, unknownText, goneTitle, goneText } = options.pages;
    const code = isLoadstoneError(error) ? error.code : undefined;
    if (code === 'link_not_found') return { title: unknownTitle, text: unknownText };
    return code === 'link_gone' ? { title: goneTitle, text: goneText } : undefined;
  }

  function isExpired(target: CachedTarget, nowMs: number): boolean {
    return target.expiresAtMs !== null && target.expiresAtMs <= nowMs;
  }

  function hit(code: string, call: Following, nowMs: number): boolean {
    const kept = cache.fresh(code, nowMs);
    if (kept === undefined || isExpired(kept, nowMs)) return false;
    counts.hit += 1;
    send(call, kept, nowMs);
    return true;
  }

  async function find(code: string): Promise<CachedTarget> {
    const ticket = cache.begin(code);
    const target = await lookUps.find(code).catch((error: unknown) => {
      const kept = isLoadstoneError(error) && error.retryable ? cache.stale(code) : undefined;
      if (!kept) throw error;
      return { ...kept, code, deleted: false, isStale: true };
    });
    if (target === undefined) {
      counts.unknown += 1;
      throw linksErrors.link_not_found({ detail: `no link has the code ${code}` });
    }
    const { url, redirectStatus, expiresAtMs } = target;
    if (!('isStale' in target)) {
      // By the database's string: a part of the request's own would keep the whole request line in memory.
      cache.keep(target.code, ticket, target.deleted ? undefined : { url, redirectStatus, expiresAtMs });
    }
    if (target.deleted || isExpired(target, clock.nowMs())) {
      counts.gone += 1;
      throw linksErrors.link_gone({
        detail: `the link ${code} has ${target.deleted ? 'been deleted' : 'expired'}`,
      });
    }
    counts['isStale' in target ? 'stale' : 'miss'] += 1;
    return { url, redirectStatus, expiresAtMs };
  }

  async function look(code: string, call: Following): Promise<void> {
    try {
      send(call, await find(code), clock.nowMs());
    } catch (error) {
      call.refuse(error, textOf(error));
    }
  }

  return {
    counts,
    changed: cache.forget,
    allChanged: cache.forgetAll,
    answer(call) {
      const { code } = call.params;
      if (hit(code, call, clock.nowMs())) return undefined;
      return isCode(code) ? look(code, call) : PASS;
    },
  };
}
