/**
 * What a list can be ordered by, and how the value of a row travels in a cursor: as text, exactly as Postgres compares it.
 * A time is written to the microsecond. A JavaScript date has milliseconds, and a cursor made of it would pass over the
 * rows of the same millisecond.
 */
import { isBigint } from '#base/values/bigint';
import { parseTime } from '#base/values/time';
import { type Sql, sql } from '#blocks/database';
import { KEY_BYTES_MAX } from './options.ts';

/** `bigint` for ids and all whole numbers; `number` for `double precision`, which has to be finite. */
export type KeyType = 'text' | 'bigint' | 'number' | 'time';

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]\d+)?$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;

interface KeyForm {
  /** The column's value as text. */
  write(column: Sql): Sql;
  /** That text as a value to compare with. */
  read(text: string): Sql;
  /** Whether a text from outside can be read: anything else would be an error of Postgres. */
  fits(text: string): boolean;
}

/** A double as JavaScript and Postgres both hold it: what underflows to zero is none for Postgres. */
function isDouble(text: string): boolean {
  const value = Number(text);
  if (!NUMBER.test(text) || !Number.isFinite(value)) return false;
  return value !== 0 || /^[-0.]+$/.test(text);
}

export const KEY_FORMS: Readonly<Record<KeyType, KeyForm>> = {
  text: {
    write: (column) => sql`${column}::text`,
    read: (text) => sql`${text}::text`,
    // NUL parts the texts of a cursor, so it is in none of them; Postgres has no text with it.
    fits: (text) => text.isWellFormed() && Buffer.byteLength(text) <= KEY_BYTES_MAX,
  },
  bigint: {
    write: (column) => sql`${column}::bigint::text`,
    read: (text) => sql`${text}::bigint`,
    fits: isBigint,
  },
  number: {
    write: (column) => sql`${column}::float8::text`,
    read: (text) => sql`${text}::float8`,
    fits: isDouble,
  },
  time: {
    write: (column) => sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
    read: (text) => sql`${text}::timestamptz`,
    fits: (text) => TIME.test(text) && !text.startsWith('0000') && parseTime(text) !== undefined,
  },
};
