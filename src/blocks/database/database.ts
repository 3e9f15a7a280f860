/**
 * The database as the rooms see it: one way to write, reads with a stated consistency. See README.md for promises.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Clock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Random } from '#base/random';
import type { Signals } from '#base/signals';
import { parseAddress } from './address.ts';
import { BUCKETS, bucketOf } from './buckets.ts';
import { createEmbeddedPostgres, type EmbeddedPostgres, SUPERUSER_NAME } from './embedded/embedded.ts';
import { databaseErrors } from './errors.ts';
import { migrate } from './migrate.ts';
import type { MigrationSet } from './migration-files.ts';
import type { DatabaseOptions } from './options.ts';
import { type Address, createPool, type Pool } from './pool.ts';
import { createProbe } from './probe.ts';
import { emitDatabaseSignals } from './signals.ts';
import { type Sql, sql } from './sql.ts';
import { beginAlteration, beginSnapshot, ORDINARY, transactOn } from './transact.ts';

/** Postgres roles. `app` acts for a caller; `system` for the server itself (redirects, leases, verify). */
export type Role = 'app' | 'system';

export interface Queryable {
  rows<Row>(query: Sql<Row>): Promise<Row[]>;
  /** The first row, or undefined. */
  first<Row>(query: Sql<Row>): Promise<Row | undefined>;
  /** How many rows the statement changed. */
  run(query: Sql): Promise<number>;
}

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
  trail(sent: Promise<unknown>): void;
}

/** How fresh a read is. With one primary and no replicas every read is `strong`; callers state it all the same. */
export type Consistency = 'strong' | 'session' | 'eventual';

export interface ReadOptions {
  consistency: Consistency;
  role?: Role;
  signal?: AbortSignal;
}

export interface TransactOptions {
  signal: AbortSignal;
  role?: Role;
}

export interface SnapshotOptions extends TransactOptions {
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
  reader(options: ReadOptions): Queryable;
  /** The server's own tables (schema `core`), which belong to no workspace. Each statement is its own transaction. */
  readonly core: Queryable;
}

export interface DatabaseDeps {
  clock: Clock;
  random: Random;
  log: Log;
  signals: Signals;
  /** Holds the embedded Postgres. */
  dataDirectory: string;
  migrations: readonly MigrationSet[];
  /** Told in a person's words what the start is doing. */
  report: (line: string) => void;
}

const PROBE_TIMEOUT_MS = 5000;
const OWN_MIGRATIONS: MigrationSet = {
  room: 'database',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};

/** The engine is the embedded Postgres, unless `options.primary` names another server. */
export function createDatabase(options: DatabaseOptions, deps: DatabaseDeps): Database {
  const embedded =
    options.primary === undefined
      ? createEmbeddedPostgres(
          { directory: join(deps.dataDirectory, 'postgres'), startTimeoutMs: options.startTimeoutMs },
          deps,
        )
      : undefined;
  let pools: Record<Role, Pool> | undefined;
  const probe = createProbe(deps.clock, async () => {
    const deadline = createDeadline(deps.clock, PROBE_TIMEOUT_MS);
    const answer = opened('system').queryable(deadline.signal).first(sql`select 1`);
    await answer.finally(deadline.done);
  });

  function opened(role: Role): Pool {
    if (pools) return pools[role];
    throw databaseErrors.database_unavailable({ detail: 'the database is not running', retryAfterS: 1 });
  }

  function openPool(address: Address, role: Role): Pool {
    const { poolMax: connectionsMax, waitMax, statementTimeoutMs } = options;
    const pool = createPool(
      { address, role: `loadstone_${role}`, connectionsMax, waitMax, statementTimeoutMs },
      { clock: deps.clock, log: deps.log, onFailure: probe.failed },
    );
    emitDatabaseSignals(deps.signals, role, pool);
    return pool;
  }

  const lifecycle = createLifecycle('database', {
    async start(signal) {
      deps.report(embedded ? 'starting Postgres' : 'connecting to Postgres');
      await embedded?.start(signal);
      const address = addressOf(options, embedded);
      deps.report('migrating');
      await bringUpToDate(address, options, deps, signal);
      pools = { app: openPool(address, 'app'), system: openPool(address, 'system') };
      for (const role of ['app', 'system'] as const) await refuseOtherRole(pools[role], role, signal);
    },
    async stop(deadline) {
      probe.close();
      const cut = await Promise.all([pools?.app.close(deadline), pools?.system.close(deadline)]);
      if (cut.some(Boolean)) deps.log.warn({ cut }, 'connections were still in use at the stop deadline');
      await embedded?.stop(deadline);
    },
    health() {
      const own = embedded?.health() ?? { status: 'ok' };
      return own.status === 'failing' ? own : probe.health();
    },
  });

  return {
    ...lifecycle,
    async transact(placement, { signal, role = 'app' }, work) {
      assertPlacement(placement);
      const bucket = 'bucket' in placement ? placement.bucket : bucketOf(placement.shardKey);
      return transactOn(opened(role), { begin: ORDINARY, bucket }, signal, deps, work);
    },
    async snapshot({ signal, role = 'app', timeoutMs }, work) {
      return transactOn(opened(role), { begin: beginSnapshot(timeoutMs), bucket: 0 }, signal, deps, work);
    },
    async alter({ signal, ...limits }, work) {
      return transactOn(opened('system'), { begin: beginAlteration(limits), bucket: 0 }, signal, deps, work);
    },
    reader: ({ role = 'app', signal }) => createQueryable(() => opened(role), signal),
    core: createQueryable(() => opened('system')),
  };
}

/** Finds the pool at each query: a reader may be made before the start, and outlive the stop. */
function createQueryable(pool: () => Pool, signal?: AbortSignal): Queryable {
  return {
    rows: async (query) => pool().queryable(signal).rows(query),
    first: async (query) => pool().queryable(signal).first(query),
    run: async (query) => pool().queryable(signal).run(query),
  };
}

function addressOf({ primary }: DatabaseOptions, embedded: EmbeddedPostgres | undefined): Address {
  if (primary !== undefined) return parseAddress(primary);
  assert(embedded, 'without a primary the database is embedded');
  return { ...embedded.address, user: SUPERUSER_NAME };
}

/** A pooler that drops startup options would leave every connection with all the rights of the login. */
async function refuseOtherRole(pool: Pool, role: Role, signal: AbortSignal): Promise<void> {
  const acting = await pool.queryable(signal).first<{ role: string }>(sql`select current_user as role`);
  if (acting?.role === `loadstone_${role}`) return;
  throw databaseErrors.database_unsupported({
    detail: `connections act as ${acting?.role}, not loadstone_${role}: something between here and Postgres drops the startup parameter "options"`,
  });
}

async function bringUpToDate(
  address: Address,
  { startTimeoutMs }: DatabaseOptions,
  { clock, log, report, migrations }: DatabaseDeps,
  parent: AbortSignal,
): Promise<void> {
  const { signal, done } = createDeadline(clock, startTimeoutMs, parent);
  let waitedFor = 'a migration takes long';
  const reportWait = (line: string) => {
    waitedFor = line;
    report(line);
  };
  try {
    await migrate(address, [OWN_MIGRATIONS, ...migrations], { clock, log, signal, report: reportWait });
  } catch (error) {
    if (!signal.aborted || parent.aborted) throw error;
    const detail = `the database was not up to date after ${startTimeoutMs} ms (database.startTimeoutMs): ${waitedFor}`;
    throw databaseErrors.database_unavailable({ detail, cause: error });
  } finally {
    done();
  }
}

function assertPlacement(placement: Placement): void {
  assert(placement.system !== '' && placement.workspaceId !== '', 'a write names its system and workspace');
  if (!('bucket' in placement)) return;
  const { bucket } = placement;
  assert(Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS, `no such bucket: ${bucket}`);
}
