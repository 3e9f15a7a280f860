/**
 * One connection as the login itself, for whole-database work such as backups: no role, no time limits, and COPY.
 *
 * COPY goes by the simple query protocol (PostgreSQL manual, "COPY Operations"). The driver hands its messages to the
 * query that is active; a stream that is read slowly stops the socket, so that memory stays bounded however large the table.
 */
import { Readable } from 'node:stream';
import type pg from 'pg';
import { escapeIdentifier } from '#blocks/postgres';
import { parseAddress } from './address.ts';
import { toCoded } from './failure.ts';
import { withLogin } from './primary/login.ts';
import type { Queryable } from './queryable.ts';
import type { Sql } from './sql.ts';

/** Names as they are in the catalogue: they are quoted here. */
export interface CopiedTable {
  schema: string;
  name: string;
  columns: readonly string[];
}

export interface Partition {
  schema: string;
  name: string;
  parent: string;
  /** As `pg_get_expr(relpartbound, oid)` gives it. */
  bounds: string;
}

export interface LoginConnection extends Queryable {
  /** The rows of a table in COPY's text format, which is right for every type and from version to version. */
  copyOut(table: CopiedTable): AsyncIterable<Buffer>;
  /** The way back. @returns how many rows that were */
  copyIn(table: CopiedTable, source: AsyncIterable<Buffer>): Promise<number>;
  addPartition(partition: Partition): Promise<void>;
}

interface Wire {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
  stream: {
    pause(): void;
    resume(): void;
    writableNeedDrain: boolean;
    on(event: string, run: () => void): void;
    off(event: string, run: () => void): void;
  };
}

/** What the driver calls on an active query, as far as COPY needs it. */
interface CopyQuery {
  submit(wire: Wire): void;
  handleCopyData(message: { chunk: Buffer }, wire: Wire): void;
  handleCopyInResponse(wire: Wire): void;
  handleCommandComplete(message: { text: string }): void;
  handleError(error: Error): void;
  handleReadyForQuery(): void;
  handleRowDescription(): void;
  handleDataRow(): void;
  handleEmptyQuery(): void;
}

const ignored = () => {};

function createCopyQuery(
  text: string,
  own: Pick<CopyQuery, 'handleError'> &
    Partial<Pick<CopyQuery, 'handleCopyData' | 'handleCopyInResponse'>> & {
      onDone: (rows: number) => void;
    },
): CopyQuery {
  let rows = 0;
  let hasFailed = false;
  return {
    submit: (wire) => wire.query(text),
    handleCopyData: own.handleCopyData ?? ignored,
    handleCopyInResponse: own.handleCopyInResponse ?? ((wire) => wire.sendCopyFail('not asked for')),
    handleCommandComplete(message) {
      rows = Number(/\d+$/.exec(message.text)?.[0] ?? 0);
    },
    handleError(error) {
      hasFailed = true;
      own.handleError(error);
    },
    handleReadyForQuery() {
      if (!hasFailed) own.onDone(rows);
    },
    handleRowDescription: ignored,
    handleDataRow: ignored,
    handleEmptyQuery: ignored,
  };
}

const quote = (name: string): string => escapeIdentifier(name);

function placeOf({ schema, name, columns }: CopiedTable): string {
  return `${quote(schema)}.${quote(name)} (${columns.map(quote).join(', ')})`;
}

function submit(client: pg.Client, query: CopyQuery): void {
  client.query(query as unknown as pg.Submittable);
}

function copyOut(client: pg.Client, table: CopiedTable): Readable {
  let wire: Wire | undefined;
  const rows = new Readable({ read: () => wire?.stream.resume(), highWaterMark: 262_144 });
  submit(
    client,
    createCopyQuery(`copy ${placeOf(table)} to stdout`, {
      handleCopyData({ chunk }, from) {
        wire = from;
        // The driver's chunk is a view of a buffer that it uses again.
        if (!rows.push(Buffer.from(chunk))) from.stream.pause();
      },
      handleError(error) {
        wire?.stream.resume();
        rows.destroy(toCoded(error));
      },
      onDone() {
        // Nobody asks for more than the end: a pause for the last rows would last for ever.
        wire?.stream.resume();
        rows.push(null);
      },
    }),
  );
  return rows;
}

/** A connection that breaks drains no more, but closes. */
function drained({ stream }: Wire): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

async function send(wire: Wire, source: AsyncIterable<Buffer>): Promise<void> {
  try {
    for await (const piece of source) {
      wire.sendCopyFromChunk(piece);
      if (wire.stream.writableNeedDrain) {
        await drained(wire);
      }
    }
    wire.endCopyFrom();
  } catch (error) {
    wire.sendCopyFail('the source failed');
    throw error;
  }
}

function copyIn(client: pg.Client, table: CopiedTable, source: AsyncIterable<Buffer>): Promise<number> {
  return new Promise((resolve, reject) => {
    submit(
      client,
      createCopyQuery(`copy ${placeOf(table)} from stdin`, {
        handleCopyInResponse: (wire) => void send(wire, source).catch(reject),
        handleError: (error) => reject(toCoded(error)),
        onDone: resolve,
      }),
    );
  });
}

const BOUNDS = /^(DEFAULT|FOR VALUES FROM \(('-?\d+'|MINVALUE)\) TO \(('-?\d+'|MAXVALUE)\))$/;

async function addPartition(client: pg.Client, { schema, name, parent, bounds }: Partition): Promise<void> {
  if (!BOUNDS.test(bounds)) throw new Error(`not the bounds of a partition: ${bounds}`);
  const of = `${quote(schema)}.${quote(parent)}`;
  await client.query(
    `create table if not exists ${quote(schema)}.${quote(name)} partition of ${of} ${bounds}`,
  );
}

function createLoginConnection(client: pg.Client): LoginConnection {
  async function ask<Row>({ text, values }: Sql): Promise<{ rows: Row[]; rowCount: number | null }> {
    try {
      const { rows, rowCount } = await client.query({ text, values: [...values] });
      return { rows: rows as Row[], rowCount };
    } catch (error) {
      throw toCoded(error);
    }
  }
  return {
    rows: async <Row>(query: Sql<Row>) => (await ask<Row>(query)).rows,
    first: async <Row>(query: Sql<Row>) => (await ask<Row>(query)).rows[0],
    run: async (query) => (await ask(query)).rowCount ?? 0,
    copyOut: (table) => copyOut(client, table),
    copyIn: (table, source) => copyIn(client, table, source),
    addPartition: (partition) => addPartition(client, partition),
  };
}

/**
 * Logs in at a `postgres://` address, hands the connection to `use`, and ends it; whatever `use` has left open is undone.
 * @throws database_unavailable, database_unsupported, the signal's reason, and what `use` throws
 */
export async function withLoginConnection<T>(
  url: string,
  signal: AbortSignal,
  use: (connection: LoginConnection) => Promise<T>,
): Promise<T> {
  let failed: { error: unknown } | undefined;
  const used = (client: pg.Client) =>
    use(createLoginConnection(client)).catch((error: unknown) => {
      failed = { error };
      throw error;
    });
  try {
    return await withLogin(parseAddress(url), signal, used);
  } catch (error) {
    // Errors of the connection have their codes by now; what else `use` throws, a full disk perhaps, is not Postgres's.
    signal.throwIfAborted();
    throw failed ? failed.error : error;
  }
}
