/**
 * A `postgres://` address taken apart. `?host=/directory` names a Unix socket, as in libpq.
 */
import { databaseErrors } from './errors.ts';
import type { Address } from './pool.ts';

const PARAMETERS = new Set(['host', 'sslmode']);

export function parseAddress(text: string): Address {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw databaseErrors.database_unsupported({ detail: 'database.primary is not a URL', cause });
  }
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.has(name)) {
      throw databaseErrors.database_unsupported({
        detail: `database.primary: unknown parameter ${name}; known are ${[...PARAMETERS].join(', ')}`,
      });
    }
  }
  const sslmode = url.searchParams.get('sslmode') ?? 'disable';
  if (!['disable', 'require', 'verify-full'].includes(sslmode)) {
    throw databaseErrors.database_unsupported({
      detail: `database.primary: sslmode ${sslmode} is not known; known are disable, require, verify-full`,
    });
  }
  const ssl = { disable: false, require: { rejectUnauthorized: false }, 'verify-full': true }[sslmode];
  return {
    host: url.searchParams.get('host') ?? decodeURIComponent(url.hostname || 'localhost'),
    port: url.port === '' ? 5432 : Number(url.port),
    database: decodeURIComponent(url.pathname.slice(1)) || 'postgres',
    user: decodeURIComponent(url.username) || 'postgres',
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(ssl === undefined ? {} : { ssl }),
  };
}
