/**
 * What rows take on disk, as numbers for the planner. All follow from Postgres's page layout (its documentation, "Database
 * Page Layout", "TOAST" and "B-Tree Implementation"); model.test.ts compares them with a real one.
 */
import { BUCKETS } from './buckets.ts';

const PAGE_BYTES = 8192;
const PAGE_HEADER_BYTES = 24;
const ITEM_BYTES = 4;
const TUPLE_HEADER_BYTES = 24;
const INDEX_TUPLE_HEADER_BYTES = 8;
const INDEX_SPECIAL_BYTES = 16;
/** Of an index whose keys come in order (its default fill factor), and of one whose keys come in any. */
const ORDERED_FILL = 0.9;
const RANDOM_FILL = Math.LN2;
/** A longer row has its long values moved out, in chunks of which four fit a page. */
const TOAST_BYTES_MIN = 2032;
const TOAST_CHUNK_BYTES = 1996;
const TOAST_POINTER_BYTES = 18;
const TOAST_KEY_BYTES = 8;

const align = (bytes: number) => Math.ceil(bytes / 8) * 8;

export const databaseLimits = {
  /** Of one table or partition: 2^32 pages. */
  tableBytesMax: 2 ** 32 * PAGE_BYTES,
  /** Shards are made of buckets. */
  shardsMax: BUCKETS,
  /** Of one primary: the most that `database.standbys` and `database.replicas` allow. */
  standbysMax: 2,
  replicasMax: 8,
  /** What the log of changes takes on each copy: `max_wal_size`. */
  walBytesKept: 2 ** 30,
} as const;

function inPages(tupleBytes: number): number {
  const perPage = Math.floor((PAGE_BYTES - PAGE_HEADER_BYTES) / (align(tupleBytes) + ITEM_BYTES));
  return PAGE_BYTES / Math.max(1, perPage);
}

/**
 * Bytes of an entry of a B-tree whose entries are all different.
 * @param isOrdered whether keys come in growing order
 */
export function indexBytes(keyBytes: number, isOrdered: boolean): number {
  const entry = align(INDEX_TUPLE_HEADER_BYTES + keyBytes) + ITEM_BYTES;
  const usable = PAGE_BYTES - PAGE_HEADER_BYTES - INDEX_SPECIAL_BYTES;
  return (entry * PAGE_BYTES) / (usable * (isOrdered ? ORDERED_FILL : RANDOM_FILL));
}

/**
 * Bytes of a row in its table, without its indexes.
 * @param fixedBytes of all its columns but the long one
 * @param longBytes of the one column that may be long; taken for incompressible
 */
export function rowBytes(fixedBytes: number, longBytes = 0): number {
  const whole = TUPLE_HEADER_BYTES + fixedBytes + longBytes;
  if (whole <= TOAST_BYTES_MIN) return inPages(whole);
  const chunks = Math.ceil(longBytes / TOAST_CHUNK_BYTES);
  const chunkBytes = PAGE_BYTES / 4 + indexBytes(TOAST_KEY_BYTES, true);
  const lastIsShort = (chunks - longBytes / TOAST_CHUNK_BYTES) * (PAGE_BYTES / 4);
  return inPages(TUPLE_HEADER_BYTES + fixedBytes + TOAST_POINTER_BYTES) + chunks * chunkBytes - lastIsShort;
}
