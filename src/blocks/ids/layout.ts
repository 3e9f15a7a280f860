/**
 * The layout of an id: 63 bits of a positive 64-bit integer, after Twitter's Snowflake (2010).
 *
 *     62            22 21        12 11      5 4       0
 *     │ ms, 41 bits   │ bucket, 10 │ worker, 7 │ seq, 5 │
 *
 * An id is written in decimal without leading zeros, and is a string everywhere, because it does not fit a
 * JavaScript number. As text ids do not sort (17 digits in early 2026, 18 until 2033, then 19); as a Postgres
 * bigint they do.
 */
import assert from 'node:assert/strict';
import { BIGINT_MAX } from '#base/values/bigint';

const MS_BITS = 41;
const BUCKET_BITS = 10;
const WORKER_BITS = 7;
const SEQUENCE_BITS = 5;

export const BUCKET_MAX = 2 ** BUCKET_BITS - 1;
export const WORKER_MAX = 2 ** WORKER_BITS - 1;
export const SEQUENCE_MAX = 2 ** SEQUENCE_BITS - 1;

/** The millisecond 0 of ids, in Unix time. */
export const ORIGIN_MS = Date.UTC(2026, 0, 1);
/** The first and last Unix milliseconds that an id can hold; 0 is left out, so that no id is 0. */
export const ID_TIME_MS_MIN = ORIGIN_MS + 1;
export const ID_TIME_MS_MAX = ORIGIN_MS + 2 ** MS_BITS - 1;

const DECIMAL = /^[1-9][0-9]{0,18}$/;
const MS_SHIFT = BigInt(BUCKET_BITS + WORKER_BITS + SEQUENCE_BITS);

export interface IdParts {
  /** When the id was issued, in Unix milliseconds: up to a second ahead of the issuer's clock. */
  timeMs: number;
  /** The logical bucket of the row's shard key, 0–1023. */
  bucket: number;
  /** The worker number of the process that issued it, 0–127. */
  worker: number;
  /** 0–31 within the millisecond. */
  sequence: number;
}

export function formatId({ timeMs, bucket, worker, sequence }: IdParts): string {
  const low = (bucket << (WORKER_BITS + SEQUENCE_BITS)) | (worker << SEQUENCE_BITS) | sequence;
  return String((BigInt(timeMs - ORIGIN_MS) << MS_SHIFT) | BigInt(low));
}

/** Whether `text` is how an id is written: for what comes from outside, before anything else looks at it. */
export function isId(text: string): boolean {
  return DECIMAL.test(text) && (text.length < BIGINT_MAX.length || text <= BIGINT_MAX);
}

/** @param id one that `isId` accepts */
export function parseId(id: string): IdParts {
  assert(isId(id), `not an id: ${id}`);
  const bits = BigInt(id);
  const low = Number(BigInt.asUintN(Number(MS_SHIFT), bits));
  return {
    timeMs: Number(bits >> MS_SHIFT) + ORIGIN_MS,
    bucket: low >> (WORKER_BITS + SEQUENCE_BITS),
    worker: (low >> SEQUENCE_BITS) & WORKER_MAX,
    sequence: low & SEQUENCE_MAX,
  };
}

/** The logical bucket that an id carries, 0–1023: where its row is, without a look-up. */
export function bucketOfId(id: string): number {
  return parseId(id).bucket;
}
