/**
 * The `Idempotency-Key` header and the hash of the request that it stands for
 * (draft-ietf-httpapi-idempotency-key-header-07: a Structured Field string; bare keys, as most clients send, are taken too).
 */
import { hash } from 'node:crypto';
import { idempotencyErrors } from './errors.ts';

const BARE = /^[\x21\x23-\x7e][\x21-\x7e]{0,254}$/;
const QUOTED = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const LENGTH_MAX = 255;

/** The key in a header; undefined without one. @throws idempotency_key_invalid */
export function parseIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = Array.isArray(header) ? '' : header.trim();
  const quoted = QUOTED.exec(text)?.[1]?.replaceAll(/\\(["\\])/g, '$1');
  const key = quoted ?? (BARE.test(text) ? text : '');
  // A quoted string may hold spaces by its own grammar; a key may not.
  if (key.length === 0 || key.length > LENGTH_MAX || !/^[\x21-\x7e]+$/.test(key)) {
    throw idempotencyErrors.idempotency_key_invalid({
      detail: 'the header must hold 1 to 255 visible ASCII characters, once',
    });
  }
  return key;
}

/** JSON with sorted keys: equal for bodies that differ only in white space and order. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** What a record is for: fields are length-prefixed, so that no two scopes run together. */
export function hashFields(...fields: readonly string[]): Buffer {
  // In one call: a hash object with an update for each part takes half as long again (14 µs for the two of a request, and 9).
  return hash('sha256', fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join(''), 'buffer');
}
