/**
 * A `postgres://` address taken apart. `?host=/directory` names a Unix socket, as in libpq.
 */
import { databaseErrors } from './errors.ts';
import type { Address } from './pool.ts';

const PARAMETERS = ['host', 'sslmode'];
const SSL_MODES = new Map<string, NonNullable<Address['ssl']>>([
  ['disable', false],
  ['require', { rejectUnauthorized: false }],
  ['verify-full', true],
]);
/** `postgres://user:password@` without a host, which libpq allows and WHATWG URLs do not. */
const WITHOUT_HOST = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)(?=[:/?#]|$)/;

/** The address may hold a password: no message has more of it than a parameter's name or `sslmode`. */
function refuse(problem: string): never {
  throw databaseErrors.database_unsupported({ detail: `database.primary: ${problem}` });
}

function parseUrl(text: string): URL {
  const url = URL.parse(text.replace(WITHOUT_HOST, '$1localhost'));
  return url ?? refuse('not a URL; allowed is postgres://user:password@host:port/database');
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(`the ${what} has a % that is not followed by two hexadecimal digits`);
  }
}

/**
 * Defaults: localhost, 5432, user and database `postgres`, `sslmode=disable`. A socket directory may also be the
 * percent-encoded host.
 * @throws database_unsupported
 */
export function parseAddress(text: string): Address {
  const url = parseUrl(text);
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.includes(name)) refuse(`unknown parameter ${name}; allowed are ${PARAMETERS.join(', ')}`);
  }
  const sslmode = url.searchParams.get('sslmode') ?? 'disable';
  const ssl =
    SSL_MODES.get(sslmode) ??
    refuse(`unknown sslmode ${sslmode}; allowed are ${[...SSL_MODES.keys()].join(', ')}`);
  const host = decode(url.hostname, 'host').replace(/^\[(.*)\]$/, '$1');
  return {
    host: url.searchParams.get('host') || host,
    port: url.port === '' ? 5432 : Number(url.port),
    database: decode(url.pathname.slice(1), 'database') || 'postgres',
    user: decode(url.username, 'user') || 'postgres',
    ...(url.password === '' ? {} : { password: decode(url.password, 'password') }),
    ssl,
  };
}
