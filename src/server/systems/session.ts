/**
 * How far a client's own writes have come, carried by the client: `Loadstone-Session`, or the cookie of that name, on what
 * it sends back. Opaque to it; there is none without replicas.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isPosition, latestPosition } from '#blocks/postgres';
import { serverErrors } from '../errors.ts';

export interface Session {
  /** What the client's reads must see: its last write, in this request or before. */
  after(): string | undefined;
  /** A commit of this request, as `TransactOptions.onCommit` tells it. */
  committed(position: string): void;
  /** For the answer; none unless this request has committed something. */
  headers(): Readonly<Record<string, string>>;
}

const HEADER = 'loadstone-session';
const COOKIE = 'loadstone_session';
const COOKIE_PATTERN = new RegExp(`(?:^|;)\\s*${COOKIE}=([^;\\s]*)`);
const NOTHING = {};

/** One that is no token is refused: whoever sends the header means it. */
function tokensOfHeader(header: string | string[] | undefined): string[] {
  if (header === undefined) return [];
  const tokens = [header].flat().flatMap((line) => line.split(',').map((token) => token.trim()));
  if (tokens.every(isPosition)) return tokens;
  throw serverErrors.session_invalid({
    detail: 'Loadstone-Session has something that no answer of this server had there',
  });
}

/** One that is no token is passed over: browsers send what anything on this host has left. */
function tokensOfCookie(header: string | undefined): string[] {
  const token = header === undefined ? undefined : COOKIE_PATTERN.exec(header)?.[1];
  return token !== undefined && isPosition(token) ? [token] : [];
}

/** @throws session_invalid */
export function createSession(headers: IncomingHttpHeaders): Session {
  const tokens = [...tokensOfHeader(headers[HEADER]), ...tokensOfCookie(headers.cookie)];
  const given = tokens.length === 0 ? undefined : latestPosition(tokens);
  let own: string | undefined;
  return {
    after: () => own ?? given,
    committed(position) {
      own = position;
    },
    headers() {
      if (own === undefined) return NOTHING;
      return { [HEADER]: own, 'set-cookie': `${COOKIE}=${own}; HttpOnly; SameSite=Lax; Path=/` };
    },
  };
}
