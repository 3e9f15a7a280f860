/**
 * What a database is to those who use it.
 */
import type { Lifecycle } from '#base/lifecycle';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { MigrationSet } from './migrate/migration-files.ts';
import type { ListenConnection, ListenOptions } from './primary/listen-connection.ts';
import type { Queryable, Reader, Role } from './queryable.ts';

/** Where a write goes: `shardKey` decides the logical bucket, or the bucket is known (ids carry it); it decides the shard. */
export type Placement = { system: string; workspaceId: string } & ({ shardKey: string } | { bucket: number });

/** Given to `work`, and of no use once that has ended. */
export interface Transaction extends Queryable {
  /** The placement's logical bucket (0–1023): goes into every row written. */
  readonly bucket: number;
  readonly signal: AbortSignal;
  /**
   * For statements whose answers decide nothing: the commit is sent right behind them, so that together they cost one
   * round trip. If one fails in Postgres, the transaction fails with its error; what is only found wrong with its answer
   * comes too late, since by then the commit has been sent.
   * @param sent what `rows`, `first` or `run` of this transaction gave, not awaited
   */
  withCommit(sent: Promise<unknown>): void;
}

/**
 * How fresh a read is. `strong`: the primary answers. `session`: any healthy replica that has replayed `after`, else the
 * primary. `eventual`: any healthy replica that is at most `database.replicaLagMsMax` behind, else the primary. Without
 * replicas every read is `strong`; callers state it all the same.
 */
export type Consistency = 'strong' | 'session' | 'eventual';

export interface ReadOptions {
  consistency: Consistency;
  /** What a `session` read must see: the position of the caller's last commit. Undefined when it has made none. */
  after?: string | undefined;
  role?: Role;
  signal?: AbortSignal;
}

export interface TransactOptions {
  signal: AbortSignal;
  role?: Role;
  /**
   * Where there are replicas: told the position of the commit, opaque, for `ReadOptions.after`. It comes with the answer to
   * the commit, in the same round trip. Just before the commit is sent it is told one that only the primary has come to,
   * which stays when the outcome is not known.
   */
  onCommit?: (position: string) => void;
}

export interface SnapshotOptions extends Omit<TransactOptions, 'onCommit'> {
  /** In the place of `database.statementTimeoutMs`, for each statement and all of it. */
  timeoutMs: number;
}

export interface AlterOptions {
  signal: AbortSignal;
  /** As in `SnapshotOptions`. */
  timeoutMs: number;
  /** How long a statement may wait for a lock: everybody who wants the table waits behind it. */
  lockTimeoutMs: number;
}

export interface Database extends Lifecycle {
  /**
   * The one way to write: runs `work` in one transaction and commits. The first statement carries BEGIN with it, so
   * an ordinary mutation of one statement costs two round trips. A serialization failure or deadlock is retried:
   * `work` may run more than once and must have no effect outside the transaction.
   * @throws database_unavailable, database_busy, database_conflict, outcome_unknown, deadline_exceeded, stopped, what
   * `work` throws, and a violated constraint as the driver's error (see isConstraintViolation)
   */
  transact<T>(
    placement: Placement,
    options: TransactOptions,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T>;
  /**
   * Runs `work` in one REPEATABLE READ transaction, for looks at the whole that may take long: all its statements see what
   * was committed when the first of them began (`lock table` comes before that). It may write, above all temporary
   * tables. It holds a connection, and keeps vacuum from what it may still see. @throws as `transact`
   */
  snapshot<T>(options: SnapshotOptions, work: (tx: Queryable) => Promise<T>): Promise<T>;
  /**
   * Runs `work` in one transaction as the owner of all tables, for what changes a table as a whole while the server
   * serves. Schemas are changed by migrations. A lock that it cannot have in time is a conflict.
   * @throws as `transact`
   */
  alter<T>(options: AlterOptions, work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Reads outside a transaction; each statement sees its own snapshot. */
  reader(options: ReadOptions): Reader;
  /** The server's own tables (schema `core`), which belong to no workspace. Each statement is its own transaction. */
  readonly core: Queryable;
  /**
   * The rights of `core`, over a few connections of their own: for what callers can cause who have shown no key. However
   * much they ask for, nothing that keeps the server alive (leases, relay, queue) waits behind it. Reads of the primary.
   */
  anonymous(signal: AbortSignal): Reader;
  /** A connection of its own to the primary, on which notifications arrive. @throws what openListenConnection throws */
  listen(options: ListenOptions): Promise<ListenConnection>;
}

export interface DatabaseDeps extends Runtime {
  metrics: Metrics;
  /** Holds the embedded Postgres. */
  dataDirectory: string;
  /** Whether this process runs the embedded Postgres, or uses the one that another runs there. Default: own. */
  embedded?: 'own' | 'join' | undefined;
  migrations: readonly MigrationSet[];
  /** Told in a person's words what the start is doing. */
  report: (line: string) => void;
}
