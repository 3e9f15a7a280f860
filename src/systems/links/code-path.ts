/**
 * Which code a request target names.
 */
import { CODE_PATTERN, isReserved } from './alias.ts';

/** What stands for a letter, a digit, `-` or `_`. */
const ENCODED = /%([0-9a-f]{2})/gi;
const UNRESERVED = /[A-Za-z0-9_-]/;

/**
 * A percent-encoded unreserved character is the same address as the character (RFC 3986, 6.2.2.2), in either case of its
 * digits. It is decoded once: of `%252D` a `%2D` is left, which no code has.
 */
function decodeUnreserved(path: string): string {
  return path.replaceAll(ENCODED, (encoded, digits: string) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    return UNRESERVED.test(character) ? character : encoded;
  });
}

/**
 * The code in `/{code}`, with or without a query; undefined for any other path.
 * @param trailingSlash whether `/{code}/` is the same address
 */
export function codeOf(target: string, trailingSlash: 'redirect' | 'not_found'): string | undefined {
  const query = target.indexOf('?');
  const whole = query === -1 ? target.slice(1) : target.slice(1, query);
  const path = trailingSlash === 'redirect' && whole.endsWith('/') ? whole.slice(0, -1) : whole;
  const code = path.includes('%') ? decodeUnreserved(path) : path;
  return CODE_PATTERN.test(code) && !isReserved(code) ? code : undefined;
}
