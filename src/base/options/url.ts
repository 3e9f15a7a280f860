/**
 * Options that are URLs: one rule for all of them. The WHATWG parser takes much that is no URL (it strips tabs and line
 * ends, takes `\` for `/`, reads `https:host` as if slashes had been written): what it would silently mend is refused here,
 * with what is wrong, and the rest is left to it. So a value means what its text says, and is kept in its normal form:
 * lower-case scheme and host, international hosts as punycode, no default port, no slash at the end.
 */
import Type, { type TString } from 'typebox';

/**
 * `origin`: scheme, host and port, and nothing else; `any_origin`: or `*`. `base`: a path may follow, which others are put behind.
 * `postgres`: as libpq takes it, with credentials, a database and parameters; it is checked and kept as it is.
 */
export type UrlKind = 'origin' | 'any_origin' | 'base' | 'postgres';

export type UrlReading = { url: string } | { problem: string };

const INVISIBLE = /[\u0000-\u001f\u007f-\u009f]|[\p{White_Space}\ufeff\u200b-\u200f\u2028-\u202e\u2060]/u;
/** What stands where, as it was written. */
const PARTS = /^(?:([a-z][a-z0-9+.-]*):)?(\/\/[^/?#]*)?([^?#]*)(\?[^#]*)?(#.*)?$/i;
const SCHEMES: Record<UrlKind, RegExp> = {
  origin: /^https?$/i,
  any_origin: /^https?$/i,
  base: /^https?$/i,
  postgres: /^postgres(ql)?$/i,
};
const ALLOWED: Record<UrlKind, string> = {
  origin: 'http:// or https:// and a host, without a path',
  any_origin: 'an origin as browsers send it, such as https://app.example.com, or * for any',
  base: 'an address such as http://127.0.0.1:4318',
  postgres: 'an address such as postgres://login:password@host:5432/database',
};

/** A character that nobody sees, by its number and place. */
function describeInvisible(text: string): string | undefined {
  const at = text.search(INVISIBLE);
  const code = text.codePointAt(at);
  if (at === -1 || code === undefined) return undefined;
  const kind = code < 32 || (code >= 127 && code < 160) ? 'control character' : 'space';
  const place = at === 0 ? 'at its start' : at === text.length - 1 ? 'at its end' : 'in it';
  return `it has a ${kind} (U+${code.toString(16).toUpperCase().padStart(4, '0')}) ${place}`;
}

/** What is wrong before the parser is asked. */
function problemOf(text: string, kind: UrlKind): string | undefined {
  const invisible = describeInvisible(text);
  if (invisible !== undefined) return invisible;
  const [, scheme = '', authority = '', path = '', query, fragment] = PARTS.exec(text) ?? [];
  if (!SCHEMES[kind].test(scheme)) return 'it has another scheme';
  if (fragment !== undefined) return 'it has a fragment (#)';
  // Its parser takes a backslash for what it is: a password may have one.
  if (kind === 'postgres') return authority === '' ? 'it has no // after its scheme' : undefined;
  if (text.includes('\\')) return 'it has a backslash';
  if (authority === '' || authority === '//') return 'it has no host';
  if (authority.includes('@')) return 'it has credentials (@)';
  if (query !== undefined) return 'it has a query (?)';
  return kind !== 'base' && path !== '' && path !== '/' ? 'it has a path' : undefined;
}

/** A URL option in its normal form, or what is wrong with it, in words for a person. */
export function readUrl(text: string, kind: UrlKind): UrlReading {
  if (kind === 'any_origin' && text === '*') return { url: text };
  const problem = problemOf(text, kind);
  if (problem !== undefined) return { problem };
  if (kind === 'postgres') return { url: text };
  const url = URL.parse(text);
  if (url === null) return { problem: 'its host or port cannot exist' };
  if (url.port === '0') return { problem: 'it has the port 0' };
  return { url: kind === 'base' ? `${url.origin}${url.pathname.replace(/\/+$/, '')}` : url.origin };
}

/** The schema of an option that is a URL: `parseOptions` reads it by the one rule. */
export function urlOption(kind: UrlKind, { description }: { description?: string } = {}): TString {
  const secret = kind === 'postgres' ? { secret: true } : {};
  const described = description === undefined ? {} : { description };
  return Type.String({ url: kind, allowed: ALLOWED[kind], ...secret, ...described });
}
