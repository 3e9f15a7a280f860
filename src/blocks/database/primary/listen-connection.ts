/**
 * A connection outside of the pools, which stays in one session: where Postgres's notifications arrive (LISTEN), and one
 * may be sent (pg_notify) without a connection that a transaction wants.
 */
import type pg from 'pg';
import type { Clock } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { createClient } from '#blocks/postgres';
import type { Address } from '../address.ts';
import { databaseErrors } from '../errors.ts';
import { toCoded } from '../failure.ts';
import { identifier, type Sql, sql } from '../sql.ts';
import { CONNECT_TIMEOUT_MS, type PoolOptions, startupOptions } from './pool.ts';
import { IDENTITY, type PrimaryTerm, type ServerIdentity } from './primary-term.ts';

/** By which sessions that listen are known in pg_stat_activity, whoever looks. */
export const LISTEN_APPLICATION = 'loadstone listen';

export interface ListenOptions {
  channel: string;
  signal: AbortSignal;
  /** Not told of what this connection has sent itself. */
  onNotification: (payload: string) => void;
  /** Told once when the connection is gone, unless it was closed here: what was sent meanwhile is not known. */
  onLost: (error: Error) => void;
}

export interface ListenConnection {
  /** @throws database_unavailable, also when there is no answer for `answerMsMax` */
  first<Row>(query: Sql<Row>): Promise<Row | undefined>;
  close(): void;
}

export interface ListenDeps {
  clock: Clock;
  primaryTerm: PrimaryTerm | undefined;
}

/** Past it a connection that says nothing counts as lost. */
const ANSWER_MS_MAX = 5000;
const KEEP_ALIVE_MS = 10_000;

interface Settings extends Pick<PoolOptions, 'role' | 'statementTimeoutMs'> {
  address: Address;
}

/**
 * Connects and listens. @throws database_unavailable, the signal's reason; `database_unsupported` behind a pooler: it gives
 * a session to whoever has a transaction, so notifications arrive nowhere
 */
export async function openListenConnection(
  settings: Settings,
  { channel, signal, onNotification, onLost }: ListenOptions,
  { clock, primaryTerm }: ListenDeps,
): Promise<ListenConnection> {
  signal.throwIfAborted();
  const client = createClient({
    ...settings.address,
    application_name: LISTEN_APPLICATION,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    options: startupOptions(settings),
  });
  let isOver = false;

  function end(reason?: Error): void {
    if (isOver) return;
    isOver = true;
    cut(client);
    if (reason) onLost(toCoded(reason));
  }

  async function first<Row>(query: Sql<Row>): Promise<Row | undefined> {
    const deadline = createDeadline(clock, ANSWER_MS_MAX);
    try {
      const given = client.query({ text: query.text, values: query.values as unknown[] });
      return (await withSignal(given, deadline.signal)).rows[0] as Row | undefined;
    } catch (error) {
      if (deadline.signal.aborted) end(error as Error);
      throw toCoded(error);
    } finally {
      deadline.done();
    }
  }

  client.on('error', (error) => end(error));
  client.on('end', () => end(databaseErrors.database_unavailable({ detail: 'the connection was closed' })));
  client.on('notification', ({ payload = '', processId }) => {
    if (!isOver && processId !== backendPid(client)) onNotification(payload);
  });
  try {
    await withSignal(client.connect(), signal);
    if (primaryTerm) primaryTerm.admit((await first(IDENTITY)) as ServerIdentity);
    const session = await first<{ pid: number }>(sql`select pg_backend_pid() as pid`);
    if (session?.pid !== backendPid(client)) throw pooled();
    await first(sql`listen ${identifier(channel)}`);
    signal.throwIfAborted();
  } catch (error) {
    isOver = true;
    cut(client);
    throw signal.aborted ? signal.reason : toCoded(error);
  }
  return { first, close: () => end() };
}

/** What the server said when the connection was opened; a pooler says something of its own. */
function backendPid(client: pg.Client): number | null {
  return (client as unknown as { processID: number | null }).processID;
}

function cut(client: pg.Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

function pooled(): Error {
  return databaseErrors.database_unsupported({
    detail: 'a pooler stands before Postgres, so that notifications do not arrive',
  });
}
