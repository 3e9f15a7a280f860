/**
 * When a link ends, and how long others may remember it until then.
 */
import { fieldError } from '#base/errors';
import { parseTime } from '#base/values/time';
import { linksErrors } from '../errors.ts';

/** Ten years of 365 days. */
export const TTL_S_MAX = 315_360_000;

const TEN_THOUSAND_AD_MS = Date.UTC(10_000, 0, 1);

export interface ExpiryInput {
  ttl?: number | undefined;
  expiresAt?: string | null | undefined;
}

const refuse = (pointer: '/ttl' | '/expiresAt', detail: string) =>
  fieldError(linksErrors.expiry_invalid, pointer, detail);

/**
 * The time at which a link ends, in milliseconds since 1970; null when it never does.
 * @param input `ttl` in whole seconds from now, or `expiresAt` as RFC 3339 with an offset (null: never)
 * @throws expiry_invalid when both are given, or the time is malformed, past, or after the year 9999
 */
export function parseExpiry(input: ExpiryInput, nowMs: number): number | null {
  const { ttl, expiresAt } = input;
  if (ttl !== undefined && expiresAt !== undefined)
    throw refuse('/expiresAt', 'is given beside /ttl; give one');
  if (ttl !== undefined) {
    if (Number.isInteger(ttl) && ttl >= 1 && ttl <= TTL_S_MAX) return nowMs + ttl * 1000;
    throw refuse('/ttl', `must be whole seconds from 1 to ${TTL_S_MAX}`);
  }
  if (expiresAt === undefined || expiresAt === null) return null;
  const expiresAtMs = parseTime(expiresAt);
  if (expiresAtMs === undefined) {
    throw refuse('/expiresAt', 'is not an RFC 3339 time with an offset, like 2030-01-31T09:00:00+01:00');
  }
  if (expiresAtMs <= nowMs) throw refuse('/expiresAt', 'is not in the future');
  if (expiresAtMs >= TEN_THOUSAND_AD_MS) throw refuse('/expiresAt', 'is after the year 9999');
  return expiresAtMs;
}

/**
 * `Cache-Control` of a redirect: kept by the browser only (a shared cache would hide clicks and outlive a deletion),
 * for at most `maxAgeS`, and never past the expiry: seconds are rounded down, and an expired link gets 0.
 */
export function cacheControl(expiresAtMs: number | null, nowMs: number, maxAgeS: number): string {
  if (expiresAtMs === null) return `private, max-age=${maxAgeS}`;
  const leftS = Math.max(0, Math.floor((expiresAtMs - nowMs) / 1000));
  return `private, max-age=${Math.min(maxAgeS, leftS)}`;
}
