/**
 * A `postgres://` address taken apart. `?host=/directory` names a Unix socket, as in libpq.
 */
import { databaseErrors } from './errors.ts';

const PARAMETERS = ['host', 'sslmode'];
const SSL_MODES = new Map<string, NonNullable<Address['ssl']>>([
  ['disable', false],
  ['require', { rejectUnauthorized: false }],
  // Not `true`, which NODE_TLS_REJECT_UNAUTHORIZED=0 would turn into `require`.
  ['verify-full', { rejectUnauthorized: true }],
]);
/** `postgres://user:password@` without a host, which libpq allows and WHATWG URLs do not. */
const WITHOUT_HOST = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)(?=[:/?#]|$)/;

/** The address may hold a password: no message has more of it than a parameter's name or `sslmode`. */
function refuse(option: string, problem: string): never {
  throw databaseErrors.database_unsupported({ detail: `${option}: ${problem}` });
}

function parseUrl(text: string, option: string): URL {
  const url = URL.parse(text.replace(WITHOUT_HOST, '$1localhost'));
  return url ?? refuse(option, 'not a URL; allowed is postgres://user:password@host:port/database');
}

function decode(text: string, what: string, option: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(option, `the ${what} has a % that is not followed by two hexadecimal digits`);
  }
}

/**
 * Defaults: localhost, 5432, user and database `postgres`, `sslmode=disable`. A socket directory may also be the
 * percent-encoded host.
 * @param option where the address stands, for the message
 * @throws database_unsupported
 */
export function parseAddress(text: string, option = 'database.primary'): Address {
  const url = parseUrl(text, option);
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.includes(name))
      refuse(option, `unknown parameter ${name}; allowed are ${PARAMETERS.join(', ')}`);
  }
  const sslmode = url.searchParams.get('sslmode') ?? 'disable';
  const ssl =
    SSL_MODES.get(sslmode) ??
    refuse(option, `unknown sslmode ${sslmode}; allowed are ${[...SSL_MODES.keys()].join(', ')}`);
  const host = decode(url.hostname, 'host', option).replace(/^\[(.*)\]$/, '$1');
  return {
    host: url.searchParams.get('host') || host,
    port: url.port === '' ? 5432 : Number(url.port),
    database: decode(url.pathname.slice(1), 'database', option) || 'postgres',
    user: decode(url.username, 'user', option) || 'postgres',
    ...(url.password === '' ? {} : { password: decode(url.password, 'password', option) }),
    ssl,
  };
}

export interface Address {
  /** A directory (Unix socket) or a host name. */
  host: string;
  port: number;
  database: string;
  user: string;
  password?: string;
  ssl?: boolean | { rejectUnauthorized: boolean };
}
