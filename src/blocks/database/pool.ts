/**
 * Connections of one Postgres role: few, shared, with a bounded line of waiters.
 */
import pg from 'pg';
import { withSignal } from '#base/deadline';
import type { Log } from '#base/log';
import { type Connection, createConnection } from './connection.ts';
import type { Queryable } from './database.ts';
import { databaseErrors } from './errors.ts';
import { classify, isBroken, toCoded } from './failure.ts';

export interface Address {
  /** A directory (Unix socket) or a host name. */
  host: string;
  port: number;
  database: string;
  user: string;
  password?: string;
  ssl?: boolean | { rejectUnauthorized: boolean };
}

export interface PoolOptions {
  address: Address;
  /** The Postgres role that the connections act as; undefined acts as the login itself. */
  role: string | undefined;
  connectionsMax: number;
  waitMax: number;
  statementTimeoutMs: number;
}

export interface Pool {
  /** @throws database_busy, database_unavailable, or the signal's reason */
  connect(signal?: AbortSignal): Promise<Connection>;
  /** One statement, its own transaction. */
  queryable(signal?: AbortSignal): Queryable;
  waiting(): number;
  inUse(): number;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5000;

/** Session settings sent when a connection opens, so that they cost no round trip later. */
function startupOptions({ role, statementTimeoutMs }: PoolOptions): string {
  const settings = {
    ...(role === undefined ? {} : { role }),
    statement_timeout: statementTimeoutMs,
    transaction_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    TimeZone: 'UTC',
  };
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}

/** @param onFailure told of every failure to reach the server, also of a connection that broke while idle */
export function createPool(
  options: PoolOptions,
  deps: { log: Log; onFailure: (error: unknown) => void },
): Pool {
  const pool = new pg.Pool({
    ...options.address,
    max: options.connectionsMax,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: `loadstone ${options.role ?? 'login'}`,
    options: startupOptions(options),
    pipeline: true,
  } as pg.PoolConfig);
  pool.on('error', (error) => {
    deps.log.warn({ err: error }, 'an idle database connection broke');
    deps.onFailure(error);
  });

  async function connect(signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    if (pool.idleCount === 0 && pool.waitingCount >= options.waitMax) {
      throw databaseErrors.database_busy({
        detail: `${pool.waitingCount} requests are waiting`,
        retryAfterS: 1,
      });
    }
    try {
      return createConnection(await acquire(signal), signal, deps.onFailure);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (classify(error) === 'unreachable') deps.onFailure(error);
      throw toCoded(error);
    }
  }

  async function acquire(signal: AbortSignal | undefined): Promise<pg.PoolClient> {
    const acquiring = pool.connect();
    if (!signal) return acquiring;
    try {
      return await withSignal(acquiring, signal);
    } catch (error) {
      // The waiter cannot be taken out of the driver's line: its connection goes back as soon as it comes.
      acquiring.then(
        (client) => client.release(),
        () => {},
      );
      throw error;
    }
  }

  async function once<T>(
    signal: AbortSignal | undefined,
    use: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const connection = await connect(signal);
    try {
      const result = await use(connection);
      connection.release(false);
      return result;
    } catch (error) {
      connection.release(isBroken(error));
      throw error;
    }
  }

  return {
    connect,
    queryable: (signal) => ({
      rows: (query) => once(signal, (connection) => connection.rows(query)),
      first: (query) => once(signal, (connection) => connection.first(query)),
      run: (query) => once(signal, (connection) => connection.run(query)),
    }),
    waiting: () => pool.waitingCount,
    inUse: () => pool.totalCount - pool.idleCount,
    close: () => pool.end(),
  };
}
