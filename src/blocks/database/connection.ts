/**
 * One connection in use: typed queries, coded failures, and a signal that cuts it off.
 */
import type pg from 'pg';
import type { Queryable } from './database.ts';
import { classify, toCoded } from './failure.ts';
import { type Sql, statementName } from './sql.ts';

export interface Connection extends Queryable {
  /** Sends a statement that is neither prepared nor has values. Gives Postgres's own word for what it did. */
  control(statement: 'begin' | 'commit' | 'rollback'): Promise<string>;
  /** Gives the connection back; a broken one is closed instead. */
  release(broken: boolean): void;
}

/**
 * When `signal` aborts, the socket is closed: Postgres notices within `client_connection_check_interval` and rolls
 * back. A cancel request would save the reconnect, but needs a second connection at the very moment of overload.
 */
export function createConnection(
  client: pg.PoolClient,
  signal: AbortSignal | undefined,
  onFailure: (error: unknown) => void,
): Connection {
  const socket = (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream;
  const onAbort = () => socket.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });

  function failed(error: unknown): Error {
    if (signal?.aborted) return signal.reason as Error;
    if (classify(error) === 'unreachable') onFailure(error);
    return toCoded(error);
  }

  async function send(query: Sql): Promise<pg.QueryResult> {
    const name = statementName(query);
    const prepared = { text: query.text, values: query.values as unknown[] };
    try {
      return await client.query(name === undefined ? prepared : { ...prepared, name });
    } catch (error) {
      throw failed(error);
    }
  }

  return {
    async rows<Row>(query: Sql<Row>) {
      return (await send(query)).rows as Row[];
    },
    async first<Row>(query: Sql<Row>) {
      return (await send(query)).rows[0] as Row | undefined;
    },
    async run(query) {
      return (await send(query)).rowCount ?? 0;
    },
    async control(statement) {
      try {
        return (await client.query(statement)).command;
      } catch (error) {
        throw failed(error);
      }
    },
    release(broken) {
      signal?.removeEventListener('abort', onAbort);
      client.release(broken || signal?.aborted === true);
    },
  };
}
