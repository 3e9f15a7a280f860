/**
 * The database as the rooms see it: one way to write, reads with a stated consistency. See README.md for promises.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Clock, Timer } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { describeError } from '#base/errors';
import { createLifecycle, type Health, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Random } from '#base/random';
import type { Signals } from '#base/signals';
import { parseAddress } from './address.ts';
import { createEmbeddedPostgres, type EmbeddedPostgres } from './embedded/embedded.ts';
import { databaseErrors } from './errors.ts';
import { type MigrationSet, migrate } from './migrate.ts';
import type { DatabaseOptions } from './options.ts';
import { type Address, createPool, type Pool } from './pool.ts';
import { emitDatabaseSignals } from './signals.ts';
import { type Sql, sql } from './sql.ts';
import { transactOn } from './transact.ts';

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

export interface Transaction extends Queryable {
  /** The placement's logical bucket (0–1023): goes into every row written. */
  readonly bucket: number;
  readonly signal: AbortSignal;
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

export interface Database extends Lifecycle {
  /**
   * The one way to write: runs `work` in one transaction and commits. The first statement carries BEGIN with it, so
   * an ordinary mutation of one statement costs two round trips. A serialization failure or deadlock is retried:
   * `work` may run more than once and must have no effect outside the transaction.
   * @throws database_unavailable, database_busy, outcome_unknown, deadline_exceeded
   */
  transact<T>(
    placement: Placement,
    options: TransactOptions,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T>;
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

const PROBE_EVERY_MS = 500;
const OWN_MIGRATIONS: MigrationSet = {
  room: 'database',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};

interface Pools {
  app: Pool;
  system: Pool;
}

/** Watches the reachability of the database: a failure marks it down, and only an answered probe marks it up. */
function createProbe(clock: Clock, ask: () => Promise<unknown>) {
  let reason: string | undefined;
  let timer: Timer | undefined;
  let closed = false;

  function probe(): void {
    timer = clock.after(
      PROBE_EVERY_MS,
      () => {
        ask().then(
          () => {
            reason = undefined;
          },
          (error: unknown) => {
            reason = describeError(error);
            if (!closed) probe();
          },
        );
      },
      'background',
    );
  }
  return {
    failed(error: unknown): void {
      if (reason !== undefined || closed) return;
      reason = describeError(error);
      probe();
    },
    health: (): Health =>
      reason === undefined
        ? { status: 'ok' }
        : { status: 'failing', reason: `the database cannot be reached: ${reason}` },
    close(): void {
      closed = true;
      timer?.cancel();
    },
  };
}

export function createDatabase(options: DatabaseOptions, deps: DatabaseDeps): Database {
  const embedded: EmbeddedPostgres | undefined =
    options.primary === undefined
      ? createEmbeddedPostgres(
          { directory: join(deps.dataDirectory, 'postgres'), startTimeoutMs: options.startTimeoutMs },
          deps,
        )
      : undefined;
  let pools: Pools | undefined;
  const probe = createProbe(deps.clock, () => system().queryable().first(sql`select 1`));

  function opened(): Pools {
    if (!pools)
      throw databaseErrors.database_unavailable({
        detail: 'the database has not been started',
        retryAfterS: 1,
      });
    return pools;
  }
  const system = () => opened().system;

  function address(): Address {
    return options.primary === undefined
      ? { ...embedded!.address, user: 'loadstone_super' }
      : parseAddress(options.primary);
  }

  function openPool(role: Role): Pool {
    const { poolMax, waitMax, statementTimeoutMs } = options;
    const pool = createPool(
      { address: address(), role: `loadstone_${role}`, connectionsMax: poolMax, waitMax, statementTimeoutMs },
      { log: deps.log, onFailure: probe.failed },
    );
    emitDatabaseSignals(deps.signals, role, pool);
    return pool;
  }

  /** Past the deadline connections in use are not waited for: Postgres stops, or drops them when the process ends. */
  async function closePools({ app, system }: Pools, deadline: AbortSignal): Promise<void> {
    const closed = Promise.all([app.close(), system.close()]);
    await withSignal(closed, deadline).catch((error: unknown) => {
      deps.log.warn({ err: error }, 'database connections were still in use at the stop deadline');
    });
  }

  const lifecycle = createLifecycle('database', {
    async start(signal) {
      const deadline = createDeadline(deps.clock, options.startTimeoutMs, signal);
      try {
        deps.report(embedded ? 'starting Postgres' : 'connecting to Postgres');
        await embedded?.start(deadline.signal);
        deps.report('migrating');
        await migrate(address(), [OWN_MIGRATIONS, ...deps.migrations], deps.log);
        deadline.signal.throwIfAborted();
        pools = { app: openPool('app'), system: openPool('system') };
      } finally {
        deadline.done();
      }
    },
    async stop(deadline) {
      probe.close();
      if (pools) await closePools(pools, deadline);
      await embedded?.stop(deadline);
    },
    health() {
      const own = embedded?.health() ?? { status: 'ok' };
      return own.status === 'failing' ? own : probe.health();
    },
  });

  return {
    ...lifecycle,
    transact(placement, { signal, role = 'app' }, work) {
      assert(
        placement.system !== '' && placement.workspaceId !== '',
        'a write names its system and workspace',
      );
      return transactOn(opened()[role], placement, { signal }, deps, work);
    },
    reader: ({ role = 'app', signal }) => opened()[role].queryable(signal),
    core: {
      rows: (query) => system().queryable().rows(query),
      first: (query) => system().queryable().first(query),
      run: (query) => system().queryable().run(query),
    },
  };
}
