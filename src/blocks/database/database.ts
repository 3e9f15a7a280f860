/**
 * The database as the rooms see it: one way to write, reads with a stated consistency. See README.md for promises.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createDeadline } from '#base/deadline';
import { createLifecycle } from '#base/lifecycle';
import {
  createEmbeddedPostgres,
  createJoinedPostgres,
  type PostgresAddress,
  type PostgresEngine,
  SUPERUSER_NAME,
} from '#blocks/postgres';
import type { Address } from './address.ts';
import { parseAddress } from './address.ts';
import { BUCKETS, bucketOf } from './buckets.ts';
import { databaseErrors } from './errors.ts';
import { createReplicaMetrics } from './metrics.ts';
import { migrate } from './migrate/migrate.ts';
import type { MigrationSet } from './migrate/migration-files.ts';
import type { DatabaseOptions } from './options.ts';
import type { Database, DatabaseDeps, Placement } from './port.ts';
import type { Pool } from './primary/pool.ts';
import { createPrimary, type Primary } from './primary/primary.ts';
import { createPrimaryTerm, type PrimaryTerm } from './primary/primary-term.ts';
import type { Reader } from './queryable.ts';
import { createReader, type ReadsDeps } from './replicas/reads.ts';
import { createReplicas } from './replicas/replicas.ts';
import { beginAlteration, beginSnapshot, ORDINARY, transactOn } from './transact.ts';

const OWN_MIGRATIONS: MigrationSet = {
  room: 'database',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};

/** The engine is the embedded Postgres, unless `options.primary` names another server. */
export function createDatabase(options: DatabaseOptions, deps: DatabaseDeps): Database {
  const engine = options.primary === undefined ? createEngine(options, deps) : undefined;
  const countMax = options.replicas.length + options.standbys;
  // Who could replace an embedded primary is a standby; who could replace another is not known here.
  const primaryTerm = engine && countMax === 0 ? undefined : createPrimaryTerm();
  const primary = createPrimary(options, { ...deps, primaryTerm });
  const reads =
    primaryTerm && countMax > 0 ? createReads(options, deps, { primary, primaryTerm, engine }) : undefined;
  let current: Address | undefined;
  let stopListening = () => {};

  /** Goes where the primary is now. */
  function follow(): void {
    const address = addressOf(options, engine);
    if (current === undefined || isSame(address, current)) return;
    current = address;
    primary.move(address);
  }

  const lifecycle = createLifecycle('database', {
    async start(signal) {
      refuseContradiction(options);
      deps.report(engine && deps.embedded !== 'join' ? 'starting Postgres' : 'connecting to Postgres');
      await engine?.start(signal);
      try {
        deps.report('migrating');
        await bringUpToDate(() => addressOf(options, engine), options, deps, signal);
        current = addressOf(options, engine);
        await primary.open(current, signal);
        await reads?.replicas.start(signal);
      } catch (error) {
        // In order: a start that has failed has no time left, and Postgres would have to recover at the next one.
        const deadline = createDeadline(deps.clock, FAILED_STOP_MS, signal);
        if (!signal.aborted) await engine?.stop(deadline.signal).finally(deadline.done);
        throw error;
      }
      stopListening = engine?.onChange(follow) ?? stopListening;
      follow();
    },
    async stop(deadline) {
      stopListening();
      const cut = [await primary.close(deadline), await reads?.replicas.close(deadline)];
      if (cut.some(Boolean)) deps.log.warn({ cut }, 'connections were still in use at the stop deadline');
      await engine?.stop(deadline);
    },
    health() {
      const own = engine?.health() ?? { status: 'ok' };
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

function createEngine({ startTimeoutMs, standbys }: DatabaseOptions, deps: DatabaseDeps): PostgresEngine {
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
    engine,
  }: { primary: Primary; primaryTerm: PrimaryTerm; engine: PostgresEngine | undefined },
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
        if (engine) return engine.standbys().map(loginAt);
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

function addressOf({ primary }: DatabaseOptions, engine: PostgresEngine | undefined): Address {
  if (primary !== undefined) return parseAddress(primary);
  assert(engine, 'without a primary the database is embedded');
  return loginAt(engine.address);
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
