/**
 * What takes SQL.
 */
import type { Sql } from './sql.ts';

/** Postgres roles. `app` acts for a caller; `system` for the server itself (redirects, leases, verify). */
export type Role = 'app' | 'system';

/** For those that read: what is written goes through a transaction. */
export interface Reader {
  rows<Row>(query: Sql<Row>): Promise<Row[]>;
  /** The first row, or undefined. */
  first<Row>(query: Sql<Row>): Promise<Row | undefined>;
}

export interface Queryable extends Reader {
  /** How many rows the statement changed. */
  run(query: Sql): Promise<number>;
}
