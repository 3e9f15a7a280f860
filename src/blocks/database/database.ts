/**
 * The database as the rooms see it: one way to write, reads with a stated consistency. See README.md for promises.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Clock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Metrics } from '#base/metrics';
import type { Random } from '#base/random';
import { parseAddress } from './address.ts';
import { BUCKETS, bucketOf } from './buckets.ts';
import {
  createEmbeddedPostgres,
  createJoinedPostgres,
  type PostgresAddress,
  type PostgresPlace,
  SUPERUSER_NAME,
} from './embedded/embedded.ts';
import { databaseErrors } from './errors.ts';
import type { ListenConnection, ListenOptions } from './listen-connection.ts';
import { createReplicaMetrics } from './metrics.ts';
import { migrate } from './migrate.ts';
import type { MigrationSet } from './migration-files.ts';
import type { DatabaseOptions } from './options.ts';
import type { Address, Pool } from './pool.ts';
import { createPrimary, type Primary } from './primary.ts';
import { createPrimaryTerm, type PrimaryTerm } from './primary-term.ts';
import { createReader, type ReadsDeps } from './reads.ts';
import { createReplicas } from './replicas.ts';
import type { Sql } from './sql.ts';
import { beginAlteration, beginSnapshot, ORDINARY, transactOn } from './transact.ts';

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

export interface DatabaseDeps {
  clock: Clock;
  random: Random;
  log: Log;
  metrics: Metrics;
  /** Holds the embedded Postgres. */
  dataDirectory: string;
  /** Whether this process runs the embedded Postgres, or uses the one that another runs there. Default: own. */
  embedded?: 'own' | 'join' | undefined;
  migrations: readonly MigrationSet[];
  /** Told in a person's words what the start is doing. */
  report: (line: string) => void;
}

const OWN_MIGRATIONS: MigrationSet = {
  room: 'database',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};

/** The engine is the embedded Postgres, unless `options.primary` names another server. */
export function createDatabase(options: DatabaseOptions, deps: DatabaseDeps): Database {
  const place = options.primary === undefined ? createPlace(options, deps) : undefined;
  const countMax = options.replicas.length + options.standbys;
  // Who could replace an embedded primary is a standby; who could replace another is not known here.
  const primaryTerm = place && countMax === 0 ? undefined : createPrimaryTerm();
  const primary = createPrimary(options, { ...deps, primaryTerm });
  const reads =
    primaryTerm && countMax > 0 ? createReads(options, deps, { primary, primaryTerm, place }) : undefined;
  let current: Address | undefined;
  let stopListening = () => {};

  /** Goes where the primary is now. */
  function follow(): void {
    const address = addressOf(options, place);
    if (current === undefined || isSame(address, current)) return;
    current = address;
    primary.move(address);
  }

  const lifecycle = createLifecycle('database', {
    async start(signal) {
      refuseContradiction(options);
      deps.report(place && deps.embedded !== 'join' ? 'starting Postgres' : 'connecting to Postgres');
      await place?.start(signal);
      try {
        deps.report('migrating');
        await bringUpToDate(() => addressOf(options, place), options, deps, signal);
        current = addressOf(options, place);
        await primary.open(current, signal);
        await reads?.replicas.start(signal);
      } catch (error) {
        // In order: a start that has failed has no time left, and Postgres would have to recover at the next one.
        const deadline = createDeadline(deps.clock, FAILED_STOP_MS, signal);
        if (!signal.aborted) await place?.stop(deadline.signal).finally(deadline.done);
        throw error;
      }
      stopListening = place?.onChange(follow) ?? stopListening;
      follow();
    },
    async stop(deadline) {
      stopListening();
      const cut = [await primary.close(deadline), await reads?.replicas.close(deadline)];
      if (cut.some(Boolean)) deps.log.warn({ cut }, 'connections were still in use at the stop deadline');
      await place?.stop(deadline);
    },
    health() {
      const own = place?.health() ?? { status: 'ok' };
      return own.status === 'failing' ? own : primary.health();
    },
  });

  return {
    ...lifecycle,
    async transact(placement, { signal, role = 'app', onCommit }, work) {
      assertPlacement(placement);
      const bucket = 'bucket' in placement ? placement.bucket : bucketOf(placement.shardKey);
      const kind = { begin: ORDINARY, bucket, onCommit: reads && onCommit };
      return transactOn(primary.pool(role), kind, signal, deps, work);
    },
    async snapshot({ signal, role = 'app', timeoutMs }, work) {
      return transactOn(
        primary.pool(role),
        { begin: beginSnapshot(timeoutMs), bucket: 0 },
        signal,
        deps,
        work,
      );
    },
    async alter({ signal, ...limits }, work) {
      const kind = { begin: beginAlteration(limits), bucket: 0 };
      return transactOn(primary.pool('system'), kind, signal, deps, work);
    },
    reader(asked) {
      if (reads) return createReader(asked, reads);
      return createPooledReader(() => primary.pool(asked.role ?? 'app'), asked.signal);
    },
    core: {
      ...createPooledReader(() => primary.pool('system')),
      run: async (query) => primary.pool('system').queryable().run(query),
    },
    anonymous: (signal) => createPooledReader(() => primary.pool('anonymous'), signal),
    listen: primary.listen,
  };
}

/** For the Postgres of a start that fails after it, in a migration for one. */
const FAILED_STOP_MS = 10_000;

/** Finds the pool at each query: a reader may be made before the start, and outlive the stop. */
function createPooledReader(pool: () => Pool, signal?: AbortSignal): Reader {
  return {
    rows: async (query) => pool().queryable(signal).rows(query),
    first: async (query) => pool().queryable(signal).first(query),
  };
}

function refuseContradiction({ primary, replicas, standbys }: DatabaseOptions): void {
  const detail =
    primary === undefined && replicas.length > 0
      ? 'database.replicas goes with database.primary; beside the embedded Postgres set database.standbys'
      : primary !== undefined && standbys > 0
        ? 'database.standbys are embedded; beside database.primary name them in database.replicas'
        : undefined;
  if (detail !== undefined) throw databaseErrors.database_unsupported({ detail });
}

function createPlace({ startTimeoutMs, standbys }: DatabaseOptions, deps: DatabaseDeps): PostgresPlace {
  const directory = join(deps.dataDirectory, 'postgres');
  if (deps.embedded === 'join') return createJoinedPostgres({ directory, startTimeoutMs }, deps);
  return createEmbeddedPostgres({ directory, startTimeoutMs, standbys }, deps);
}

function createReads(
  options: DatabaseOptions,
  { clock, random, log, ...deps }: DatabaseDeps,
  {
    primary,
    primaryTerm,
    place,
  }: { primary: Primary; primaryTerm: PrimaryTerm; place: PostgresPlace | undefined },
): ReadsDeps {
  const countMax = options.replicas.length + options.standbys;
  let named: Address[] | undefined;
  const parseNamed = () => options.replicas.map((address) => parseAddress(address, 'database.replicas'));
  const metrics = createReplicaMetrics(deps.metrics, countMax, () => clock.monotonicMs());
  const { replicaLagMsMax: lagMsMax, poolMax, waitMax, statementTimeoutMs } = options;
  const replicas = createReplicas(
    { lagMsMax, poolMax, waitMax, statementTimeoutMs },
    {
      ...{ clock, random, log, metrics, primaryTerm },
      primary: (signal) => primary.pool('system').queryable(signal),
      addresses() {
        if (place) return place.standbys().map(loginAt);
        named ??= parseNamed();
        return named;
      },
    },
  );
  return { pool: primary.pool, replicas, metrics };
}

function loginAt(address: PostgresAddress): Address {
  return { ...address, user: SUPERUSER_NAME };
}

function isSame(one: Address, other: Address): boolean {
  return one.host === other.host && one.port === other.port;
}

function addressOf({ primary }: DatabaseOptions, place: PostgresPlace | undefined): Address {
  if (primary !== undefined) return parseAddress(primary);
  assert(place, 'without a primary the database is embedded');
  return loginAt(place.address);
}

async function bringUpToDate(
  locate: () => Address,
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
    await migrate(locate, [OWN_MIGRATIONS, ...migrations], { clock, log, signal, report: reportWait });
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
