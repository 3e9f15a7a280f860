/**
 * The cursor of a list: the keys of the last row that a page had, in base64url. It is opaque, and no secret: whoever makes
 * one up gets a page of what they may list anyway, from another place on.
 *
 * Version, tag of the list and its order, and one or two keys, parted by NUL, which no text of Postgres has. Rejected:
 * JSON, in which a control character takes six bytes instead of one, so that the longest text would make a cursor of 8 KiB.
 */
import assert from 'node:assert/strict';
import { fieldError } from '#base/errors';
import { systemErrors } from './errors.ts';
import { KEY_FORMS, type KeyType } from './list-key.ts';
import { CURSOR_CHARS_MAX } from './options.ts';

const VERSION = '1';
const SEPARATOR = '\0';

/** @param tag of the list and its order: the cursor is one of no other */
export function encodeCursor(tag: string, keys: readonly string[]): string {
  return Buffer.from([VERSION, tag, ...keys].join(SEPARATOR)).toString('base64url');
}

function refuse(): Error {
  return fieldError(systemErrors.cursor_invalid, '?cursor', 'is not a nextCursor that this list gave');
}

/** The keys, in the one spelling that `encodeCursor` gives. @throws cursor_invalid */
export function decodeCursor(tag: string, types: readonly KeyType[], cursor: string): string[] {
  if (cursor.length > CURSOR_CHARS_MAX) throw refuse();
  const [version, ofList, ...keys] = Buffer.from(cursor, 'base64url').toString().split(SEPARATOR);
  const isOurs = version === VERSION && ofList === tag && keys.length === types.length;
  const isWhole = isOurs && types.every((type, at) => KEY_FORMS[type].fits(keys[at] as string));
  if (!isWhole || encodeCursor(tag, keys) !== cursor) throw refuse();
  return keys;
}

/** @param keys as Postgres has written them */
export function assertKeys(list: string, types: readonly KeyType[], keys: readonly (string | null)[]): void {
  assert.equal(keys.length, types.length, `a row of the list ${list} has not the keys that it is ordered by`);
  types.forEach((type, at) => {
    const key = keys[at];
    const fits = typeof key === 'string' && KEY_FORMS[type].fits(key);
    assert(fits, `a row of the list ${list} has a key that no cursor can hold: null, or too long`);
  });
}
