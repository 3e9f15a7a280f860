/**
 * Connections of one Postgres role: few, shared, with a bounded line of waiters.
 */
import type pg from 'pg';
import { createDeadline, withSignal } from '#base/deadline';
import { lifecycleErrors } from '#base/lifecycle';
import type { Runtime } from '#base/runtime';
import { createClientPool } from '#blocks/postgres';
import type { Address } from '../address.ts';
import { databaseErrors } from '../errors.ts';
import { classify, toCoded } from '../failure.ts';
import type { Queryable } from '../queryable.ts';
import { type Connection, createConnection } from './connection.ts';
import { IDENTITY, type PrimaryTerm, type ServerIdentity } from './primary-term.ts';

export interface PoolOptions {
  address: Address;
  /** The Postgres role that the connections act as, whatever their login. */
  role: string;
  connectionsMax: number;
  waitMax: number;
  statementTimeoutMs: number;
}

export interface Pool {
  /** @throws database_busy, database_unavailable, stopped, or the signal's reason */
  connect(signal?: AbortSignal): Promise<Connection>;
  /** One statement, its own transaction. */
  queryable(signal?: AbortSignal): Queryable;
  waiting(): number;
  inUse(): number;
  /** Since when the one that has waited for a connection, or had one, for longest has done so; on the monotonic clock. */
  busySinceMs(): number | undefined;
  /** Refuses whoever waits for a connection. */
  sendAway(reason: Error): void;
  /**
   * Refuses whoever waits, and closes each connection when it is given back. Those still in use when `deadline` aborts
   * are cut off. @param reason what the refused are told, and those cut off; that the database stops, if not given
   * @returns how many were cut off
   */
  close(deadline: AbortSignal, reason?: Error): Promise<number>;
}

export interface PoolDeps extends Pick<Runtime, 'clock' | 'log'> {
  /** Told of every failure to reach the server, also of a connection that broke while idle. */
  onFailure: (error: unknown) => void;
  /** Asks each connection whose it is when it opens, a round trip, and takes none of a primary that was replaced. */
  primaryTerm?: PrimaryTerm | undefined;
}

export const CONNECT_TIMEOUT_MS = 5000;

/** Session settings sent when a connection opens, so that they cost no round trip later. */
export function startupOptions({
  role,
  statementTimeoutMs,
}: Pick<PoolOptions, 'role' | 'statementTimeoutMs'>): string {
  const settings = {
    role,
    statement_timeout: statementTimeoutMs,
    transaction_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    // Work whose caller has gone stops within a second, whoever configured the server.
    client_connection_check_interval: 1000,
    TimeZone: 'UTC',
  };
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}

/** How long past the limit of statements an answer may take to arrive. */
const SILENCE_MS = 5000;
const KEEP_ALIVE_MS = 10_000;

const stopped = () => lifecycleErrors.stopped({ detail: 'the database is being stopped' });

export function createPool(options: PoolOptions, deps: PoolDeps): Pool {
  const { primaryTerm } = deps;
  const terms = new WeakMap<object, number>();
  /** Since when, as of those who wait: in the order in which they came. */
  const inUse = new Map<Connection, number>();
  /** How to send away those who wait for a connection. */
  const waiters = new Map<(reason: unknown) => void, number>();
  let closedBy: Error | undefined;
  const pool = createClientPool({
    ...options.address,
    max: options.connectionsMax,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    application_name: `loadstone ${options.role}`,
    options: startupOptions(options),
    pipeline: true,
    ...(primaryTerm ? { onConnect: (client: pg.PoolClient) => askTerm(client, primaryTerm) } : {}),
  } as unknown as pg.PoolConfig);
  pool.on('error', (error) => {
    if (closedBy) return;
    deps.log.warn({ err: toCoded(error) }, 'an idle database connection broke');
    deps.onFailure(error);
  });

  async function askTerm(client: pg.PoolClient, { admit }: PrimaryTerm): Promise<void> {
    const silence = createDeadline(deps.clock, CONNECT_TIMEOUT_MS);
    try {
      const answer = await withSignal(client.query<ServerIdentity>(IDENTITY.text), silence.signal);
      terms.set(client, admit(answer.rows[0] as ServerIdentity));
    } finally {
      silence.done();
    }
  }

  /** Up to a tick's worth of waiters is about to get the idle connections: those do not count. */
  function refuseIfLineIsFull(): void {
    const waiting = pool.waitingCount - pool.idleCount;
    if (waiting >= options.waitMax)
      throw databaseErrors.database_busy({ detail: `${waiting} requests are waiting`, retryAfterS: 1 });
  }

  async function connect(signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    if (closedBy) throw closedBy;
    refuseIfLineIsFull();
    try {
      return await acquire(signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (classify(error) === 'unreachable') deps.onFailure(error);
      throw toCoded(error);
    }
  }

  function open(client: pg.PoolClient, signal: AbortSignal | undefined): Connection {
    const term = terms.get(client);
    const connection = createConnection(client, signal, {
      onFailure: deps.onFailure,
      onRelease: (released) => inUse.delete(released),
      term,
      isReplaced: () => primaryTerm?.isPast(term) ?? false,
    });
    inUse.set(connection, deps.clock.monotonicMs());
    return connection;
  }

  function acquire(signal: AbortSignal | undefined): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal?.removeEventListener('abort', onAbort);
        return waiters.delete(giveUp);
      };
      const giveUp = (reason: unknown) => {
        leave();
        reject(reason);
      };
      const onAbort = () => giveUp(signal?.reason);
      waiters.set(giveUp, deps.clock.monotonicMs());
      signal?.addEventListener('abort', onAbort, { once: true });
      const take = () =>
        pool.connect((error, client) => {
          if (client && primaryTerm?.isPast(terms.get(client))) {
            client.release(true);
            return take();
          }
          const hasGivenUp = !leave();
          // Who gives up cannot be taken out of the driver's line: the connection goes back as soon as it comes.
          if (hasGivenUp) client?.release();
          // At once: the driver listens no more, and the rest of what has just arrived may be the server's farewell.
          else if (client) resolve(open(client, signal));
          else reject(error);
        });
      take();
    });
  }

  async function once<T>(
    signal: AbortSignal | undefined,
    use: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    // Postgres keeps the limit of statements itself, but not when it is gone without a word.
    const silence = signal ? undefined : createDeadline(deps.clock, options.statementTimeoutMs + SILENCE_MS);
    try {
      const connection = await connect(signal ?? silence?.signal);
      try {
        return await use(connection);
      } finally {
        connection.release();
      }
    } catch (error) {
      if (!silence?.signal.aborted) throw error;
      const detail = 'Postgres does not answer';
      throw databaseErrors.database_unavailable({ detail, retryAfterS: 1, cause: error });
    } finally {
      silence?.done();
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
    inUse: () => inUse.size,
    busySinceMs() {
      const firstOf = [inUse, waiters].map((each) => each.values().next().value);
      const since = firstOf.filter((sinceMs) => sinceMs !== undefined);
      return since.length === 0 ? undefined : Math.min(...since);
    },
    sendAway(reason) {
      for (const giveUp of [...waiters.keys()]) giveUp(reason);
    },
    async close(deadline, reason) {
      closedBy = reason ?? stopped();
      for (const giveUp of [...waiters.keys()]) giveUp(closedBy);
      let left = 0;
      await withSignal(pool.end(), deadline).catch(() => {
        left = inUse.size;
        for (const connection of [...inUse.keys()]) connection.cut(reason);
      });
      return left;
    },
  };
}
