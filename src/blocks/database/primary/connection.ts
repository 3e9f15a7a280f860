/**
 * One connection in use: typed queries, coded failures, and a signal that cuts it off.
 *
 * States:  usable ──it breaks, or `cut`, or the signal aborts──▶ lost        Either way it is released, once.
 */
import type pg from 'pg';
import { isLoadstoneError } from '#base/errors';
import { type Lsn, parseLsn } from '#blocks/postgres';
import { classify, endsConnection, toCoded } from '../failure.ts';
import type { Queryable } from '../queryable.ts';
import { type Sql, sql, statementName } from '../sql.ts';

const LOG_POSITION = sql<{ lsn: string }>`select pg_current_wal_insert_lsn() as lsn`;

/** How a transaction begins; what else is set for it goes along. */
export type Begin = `begin${string}`;

export interface Connection extends Queryable {
  /** Sends what is neither prepared nor has values. Gives Postgres's own word for what it, or its last statement, did. */
  control(statement: Begin | 'rollback'): Promise<string>;
  /**
   * Gives Postgres's own word for what it did. With `asksPosition` also how far its log has come behind the commit, asked
   * right behind it and so in no further round trip; undefined if that could not be heard.
   */
  commit(asksPosition: boolean): Promise<{ outcome: string; lsn: Lsn | undefined }>;
  /** Of the primary that the connection is to; undefined if it was not asked. */
  readonly term: number | undefined;
  /** Whether that primary has been replaced, so that what it says is not worth anything. */
  isReplaced(): boolean;
  /** Why nothing can be sent any more; undefined while it can. */
  lost(): Error | undefined;
  /** Closes the socket: what is under way fails, with `reason` if one is given, and Postgres rolls it back. */
  cut(reason?: Error): void;
  /** Gives the connection back; a lost one, or with `isBroken`, is closed instead. */
  release(isBroken?: boolean): void;
}

interface Stream {
  cork(): void;
  uncork(): void;
  destroy(): void;
}

export interface ConnectionDeps {
  /** Told once, when the connection breaks though nobody here has asked for it. */
  onFailure: (error: unknown) => void;
  onRelease: (connection: Connection) => void;
  term: number | undefined;
  isReplaced: () => boolean;
}

/**
 * When `signal` aborts, the socket is closed: Postgres notices within `client_connection_check_interval` and rolls
 * back. A cancel request would save the reconnect, but needs a second connection at the very moment of overload.
 */
export function createConnection(
  client: pg.PoolClient,
  signal: AbortSignal | undefined,
  { onFailure, onRelease, term, isReplaced }: ConnectionDeps,
): Connection {
  const { stream } = (client as unknown as { connection: { stream: Stream } }).connection;
  let lostBy: Error | undefined;
  let isGathering = false;

  /** What is sent in one turn of the event loop goes out in one write: a write each took a third of a server's time. */
  function gather(): void {
    if (isGathering) return;
    isGathering = true;
    stream.cork();
    process.nextTick(() => {
      isGathering = false;
      stream.uncork();
    });
  }

  function lose(error: Error): void {
    if (lostBy) return;
    lostBy = error;
    if (classify(error) === 'unreachable') onFailure(error);
  }

  function cutBecause(reason: Error): void {
    lostBy ??= reason;
    stream.destroy();
  }

  const onAbort = () => cutBecause(signal?.reason as Error);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  // Without a listener a connection that breaks while in use would end the process.
  client.on('error', lose);

  async function send(query: string | pg.QueryConfig): Promise<pg.QueryResult> {
    if (lostBy) throw failed(lostBy);
    gather();
    try {
      return await client.query(query);
    } catch (error) {
      if (endsConnection(error)) lose(error as Error);
      throw failed(error);
    }
  }

  function failed(error: unknown): Error {
    if (signal?.aborted) return signal.reason as Error;
    return toCoded(isLoadstoneError(lostBy) ? lostBy : error);
  }

  function sendPrepared(query: Sql): Promise<pg.QueryResult> {
    const name = statementName(query);
    const prepared = { text: query.text, values: query.values as unknown[] };
    return send(name === undefined ? prepared : { ...prepared, name });
  }

  const connection: Connection = {
    async rows<Row>(query: Sql<Row>) {
      return (await sendPrepared(query)).rows as Row[];
    },
    async first<Row>(query: Sql<Row>) {
      return (await sendPrepared(query)).rows[0] as Row | undefined;
    },
    async run(query) {
      return (await sendPrepared(query)).rowCount ?? 0;
    },
    async control(statement) {
      const results = [await send(statement)].flat();
      return results.at(-1)?.command ?? '';
    },
    async commit(asksPosition) {
      const committing = send('commit');
      // Prepared: parsed anew as a second statement of the commit's message it cost a quarter of the writes per second.
      const asking = asksPosition ? sendPrepared(LOG_POSITION) : undefined;
      const [committed, asked] = await Promise.allSettled([committing, asking]);
      if (committed.status === 'rejected') throw committed.reason;
      const row = asked.status === 'fulfilled' ? asked.value?.rows[0] : undefined;
      return { outcome: committed.value.command, lsn: row && parseLsn((row as { lsn: string }).lsn) };
    },
    term,
    isReplaced,
    lost: () => lostBy,
    cut: (reason = new Error('the connection was cut off')) => cutBecause(reason),
    release(isBroken = false) {
      signal?.removeEventListener('abort', onAbort);
      client.release(isBroken || lostBy !== undefined);
      // Only now: the pool listens for itself once it has the connection back.
      client.removeListener('error', lose);
      onRelease(connection);
    },
  };
  return connection;
}
