/**
 * One connection as the login itself, for migrations: no role, no time limits, ended when the signal aborts.
 */
import type pg from 'pg';
import { describeError, isLoadstoneError } from '#base/errors';
import { createClient } from '#blocks/postgres';
import type { Address } from '../address.ts';
import { databaseErrors } from '../errors.ts';
import { classify, toCoded } from '../failure.ts';
import { CONNECT_TIMEOUT_MS } from './pool.ts';

const VERSION_MIN = 170_000;

/**
 * A login or a database may have limits that are meant for requests; and what is cut off here should end there. Sent once
 * the version is known to have all of these.
 */
const SESSION = `
  set statement_timeout = 0;
  set transaction_timeout = 0;
  set idle_in_transaction_session_timeout = 0;
  set lock_timeout = 0;
  set client_connection_check_interval = 1000;`;

/**
 * Logs in, hands the connection to `use`, and ends it.
 * @throws database_unavailable, database_unsupported, the signal's reason, and what `use` throws (driver errors coded)
 */
export async function withLogin<T>(
  address: Address,
  signal: AbortSignal,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const client = createClient({
    ...address,
    application_name: 'loadstone migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  let lost: Error | undefined;
  client.on('error', (error) => {
    lost ??= error;
  });
  const onAbort = () => cut(client);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await logIn(client);
    await refuseUnfit(client);
    await client.query(SESSION);
    return await use(client);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw isLoadstoneError(error) ? error : toCoded(lost ?? error);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await client.end();
  }
}

function cut(client: pg.Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

async function logIn(client: pg.Client): Promise<void> {
  try {
    await client.connect();
  } catch (cause) {
    if (classify(cause) === 'unreachable') throw cause;
    throw databaseErrors.database_unsupported({
      detail: `${client.user} cannot log in: ${describeError(cause)}`,
      cause,
    });
  }
}

async function refuseUnfit(client: pg.Client): Promise<void> {
  const result = await client.query<{ number: number; text: string; isStandby: boolean }>(`
    select current_setting('server_version_num')::integer as number, current_setting('server_version') as text,
      pg_is_in_recovery() as "isStandby"`);
  const { number = 0, text, isStandby = false } = result.rows[0] ?? {};
  if (number < VERSION_MIN) {
    throw databaseErrors.database_unsupported({ detail: `Postgres 17 or newer is needed; this is ${text}` });
  }
  if (isStandby) {
    throw databaseErrors.database_unsupported({
      detail:
        'the server named as primary is a standby (it is in recovery): name the one that takes writes, or promote this one',
    });
  }
}
