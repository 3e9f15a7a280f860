/**
 * What links cost, as numbers for the planner. Sizes on the wire are those of this server's answers with a URL of so many
 * bytes, without TLS (http/costs.test.ts); rows are compared with a real Postgres, and cache entries with a
 * real heap, in model.test.ts.
 */
import { parseOptions } from '#base/options';
import { indexBytes, rowBytes } from '#blocks/database';
import type { OperationCost, SystemModel } from '#blocks/plan';
import { linksOptions } from './options.ts';

const DEFAULTS = parseOptions(linksOptions, {});
/** The most that `links.cacheEntriesMax` may be. */
const CACHE_ENTRIES_CEILING = 10_000_000;

/** The median of the URLs in the corpus. */
export const URL_BYTES = 60;
/** Ids, bucket, status, times, version; a code of 7 characters, who made it. */
const LINK_FIXED_BYTES = 16 + 2 + 1 + 8 + 2 + 16 + 5 + 4 + 8;
const CODE_BYTES = 1 + 8 + 16 + 2;

/** Requests with a key of 36 characters, and browsers' with the few headers they send at least. */
const WIRE = {
  redirect: { request: 153, answer: 244 },
  create: { request: 226, answer: 511 },
  read: { request: 130, answer: 466 },
} as const;

/** What a kept redirect takes besides its URL: the entry, its target and its place in the Map. */
const CACHE_ENTRY_BYTES = 230;

/** Ids, times, states and names around the URL in an event. */
const EVENT_BYTES = 230;

/** Bytes of a link and its code, with their indexes. */
export function linkBytesStored(urlBytes: number): number {
  const indexes = 2 * indexBytes(16, true) + indexBytes(1 + 8, false);
  return Math.ceil(rowBytes(LINK_FIXED_BYTES, urlBytes + 4) + rowBytes(CODE_BYTES) + indexes);
}

/** Bytes of a redirect that a process keeps in memory. */
export function cacheEntryBytes(urlBytes: number): number {
  return CACHE_ENTRY_BYTES + urlBytes;
}

const NOTHING: Omit<OperationCost, 'kind' | 'requestBytes' | 'responseBytes'> = {
  isHot: false,
  consistency: 'strong',
  rowBytes: 0,
  rowBytesStored: 0,
  objectBytes: 0,
  answerBytesKept: 0,
  events: 0,
  eventBytes: 0,
  jobs: 0,
  cacheEntryBytes: 0,
  isCachedInProcess: false,
};

/** Changes leave the row in its place: what they add is told in events, and vacuumed away in the table. */
function change(urlBytes = URL_BYTES): OperationCost {
  return {
    ...NOTHING,
    kind: 'write',
    requestBytes: WIRE.create.request + urlBytes,
    responseBytes: WIRE.read.answer + urlBytes,
    events: 1,
    eventBytes: EVENT_BYTES + urlBytes,
  };
}

export const linksModel: SystemModel = {
  name: 'links',
  optionsFor: (hotEntries) =>
    hotEntries > DEFAULTS.cacheEntriesMax
      ? { cacheEntriesMax: Math.min(CACHE_ENTRIES_CEILING, Math.ceil(hotEntries)) }
      : {},
  operations: {
    redirect: (urlBytes = URL_BYTES) => ({
      ...NOTHING,
      kind: 'read',
      isHot: true,
      consistency: 'eventual',
      requestBytes: WIRE.redirect.request,
      responseBytes: WIRE.redirect.answer + urlBytes,
      cacheEntryBytes: cacheEntryBytes(urlBytes),
      isCachedInProcess: true,
    }),
    read: (urlBytes = URL_BYTES) => ({
      ...NOTHING,
      kind: 'read',
      consistency: 'session',
      requestBytes: WIRE.read.request,
      responseBytes: WIRE.read.answer + urlBytes,
    }),
    create: (urlBytes = URL_BYTES) => ({
      ...change(urlBytes),
      responseBytes: WIRE.create.answer + urlBytes,
      rowBytes: LINK_FIXED_BYTES + CODE_BYTES + urlBytes,
      rowBytesStored: linkBytesStored(urlBytes),
      answerBytesKept: 213 + urlBytes,
    }),
    change,
    delete: (urlBytes = URL_BYTES) => ({
      ...change(urlBytes),
      requestBytes: WIRE.read.request,
      responseBytes: 200,
    }),
  },
};
