/**
 * The connections to the primary, and how they move when another server becomes the primary.
 *
 * States:  closed ──open──▶ open ──move──▶ moving ──the new one takes connections──▶ open        Any ──close──▶ closed
 *
 * While moving, requests get database_unavailable; who was at work on the old primary is cut off, and who waited for a
 * connection to it is sent away.
 */
import { createPatientDeadline } from '#base/deadline';
import { describeError } from '#base/errors';
import type { Health } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Address } from '../address.ts';
import { databaseErrors } from '../errors.ts';
import { emitDatabaseMetrics } from '../metrics.ts';
import type { DatabaseOptions } from '../options.ts';
import type { Role } from '../queryable.ts';
import { sql } from '../sql.ts';
import { type ListenConnection, type ListenOptions, openListenConnection } from './listen-connection.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';
import type { PrimaryTerm } from './primary-term.ts';
import { createProbe } from './probe.ts';

export interface PrimaryDeps extends Pick<Runtime, 'clock' | 'log'> {
  metrics: Metrics;
  /** Where the primary may be replaced. */
  primaryTerm: PrimaryTerm | undefined;
}

export interface Primary {
  /** @throws database_unavailable while there is none */
  pool(lane: Lane): Pool;
  /** As the role `system`. @throws what openListenConnection throws */
  listen(options: ListenOptions): Promise<ListenConnection>;
  /** @throws database_unsupported, database_unavailable, or the signal's reason */
  open(address: Address, signal: AbortSignal): Promise<void>;
  /** Leaves the old primary at once, and goes to the new one as soon as that takes connections. */
  move(address: Address): void;
  health(): Health;
  /** @returns how many connections had to be cut off */
  close(deadline: AbortSignal): Promise<number>;
}

/** A role, or `anonymous`: the system's rights over connections of their own. */
export type Lane = Role | 'anonymous';

type Pools = Record<Lane, Pool>;

/** A probe that has no answer after this finds the database silent; on a machine that swaps, an answer may take seconds. */
const PROBE_TIMEOUT_MS = 3000;
/** What has waited for so long, for its answer or in front of it, makes a probe worth its cost: a connection and a query. */
const SUSPECT_MS = 1000;
const LOOK_EVERY_MS = 500;
/** While nobody waits. Who begins to meanwhile is seen before it has waited for too long. */
const IDLE_LOOK_MS = SUSPECT_MS;
const MOVE_RETRY_MS = 100;
const LANES = ['app', 'system', 'anonymous'] as const;
/** Whoever looks up for anonymous callers joins what they ask into one query at a time; two such places are there, keys and redirects. */
const ANONYMOUS_CONNECTIONS = 2;

const SILENT = 'the database does not answer';
const away = (detail: string) => databaseErrors.database_unavailable({ detail, retryAfterS: 1 });

export function createPrimary(options: DatabaseOptions, deps: PrimaryDeps): Primary {
  const { clock, log, primaryTerm } = deps;
  let pools: Pools | undefined;
  let target: Address | undefined;
  let current: Address | undefined;
  /** How to tell those who listen that this primary is left. */
  const listeners = new Set<() => void>();
  const probe = createProbe(clock, ask, () => {
    log.warn('the database does not answer; requests are refused until it does');
    for (const lane of LANES) pools?.[lane].sendAway(away(SILENT));
  });
  for (const lane of LANES) emitDatabaseMetrics(deps.metrics, lane, () => pools?.[lane]);

  /** Over a connection of its own: those of the pools may all be waiting. */
  async function ask(): Promise<void> {
    if (!current) return;
    const deadline = createPatientDeadline(clock, PROBE_TIMEOUT_MS);
    const own = createPool(
      { ...poolOptions(current, 'system'), connectionsMax: 1 },
      { clock, log, onFailure() {}, primaryTerm },
    );
    try {
      await own.queryable(deadline.signal).first(sql`select 1`);
    } finally {
      deadline.done();
      await own.close(AbortSignal.abort());
    }
  }

  const looking = createLoop(clock, {
    /** Again when the one that has waited for longest may have waited for too long. */
    work() {
      const since = LANES.map((lane) => pools?.[lane].busySinceMs() ?? Number.POSITIVE_INFINITY);
      const untilMs = Math.min(...since) + SUSPECT_MS - clock.monotonicMs();
      if (untilMs > 0) return Math.min(untilMs + 1, IDLE_LOOK_MS);
      probe.suspect();
      return LOOK_EVERY_MS;
    },
    failed(error) {
      log.error({ err: error }, 'the pools could not be looked at; trying again');
      return IDLE_LOOK_MS;
    },
  });

  function poolOf(lane: Lane): Pool {
    if (probe.isSilent()) throw away(SILENT);
    if (pools) return pools[lane];
    throw away(target ? 'the database is moving to another primary' : 'the database is not running');
  }

  function poolOptions(address: Address, lane: Lane): PoolOptions {
    const { poolMax, waitMax, statementTimeoutMs } = options;
    const connectionsMax = lane === 'anonymous' ? ANONYMOUS_CONNECTIONS : poolMax;
    return { address, role: postgresRole(lane), connectionsMax, waitMax, statementTimeoutMs };
  }

  function openPool(address: Address, lane: Lane): Pool {
    return createPool(poolOptions(address, lane), { clock, log, onFailure: probe.failed, primaryTerm });
  }

  async function closeAll(opened: Pools | undefined, deadline: AbortSignal, reason?: Error): Promise<number> {
    if (!opened) return 0;
    const cut = await Promise.all(LANES.map((lane) => opened[lane].close(deadline, reason)));
    return cut.reduce((sum, each) => sum + each, 0);
  }

  async function open(address: Address, signal: AbortSignal): Promise<void> {
    const opened: Pools = {
      app: openPool(address, 'app'),
      system: openPool(address, 'system'),
      anonymous: openPool(address, 'anonymous'),
    };
    try {
      for (const lane of LANES) await refuseOtherRole(opened[lane], postgresRole(lane), signal);
    } catch (error) {
      await closeAll(opened, AbortSignal.abort());
      throw error;
    }
    pools = opened;
    current = address;
    probe.answered();
    looking.begin();
  }

  let said = '';
  const following = createLoop(clock, {
    /** Opens the target, and the next one if it is another by then. */
    async work() {
      if (!target) return Number.POSITIVE_INFINITY;
      const address = target;
      await open(address, following.signal);
      said = '';
      if (address === target) target = undefined;
      else leave();
      return 0;
    },
    failed(error) {
      const why = describeError(error);
      if (why !== said) log.warn({ err: error }, 'the new primary does not take connections yet');
      said = why;
      return MOVE_RETRY_MS;
    },
  });

  async function listen(given: ListenOptions): Promise<ListenConnection> {
    if (!pools || !current) throw away('the database is not running');
    const address = current;
    const opened = await openListenConnection(poolOptions(address, 'system'), given, { clock, primaryTerm });
    const replaced = () => {
      opened.close();
      given.onLost(away('another server has become the primary'));
    };
    if (address !== current || !pools) {
      opened.close();
      throw away('the database is moving to another primary');
    }
    listeners.add(replaced);
    return {
      first: opened.first,
      close() {
        listeners.delete(replaced);
        opened.close();
      },
    };
  }

  function leave(): void {
    const old = pools;
    pools = undefined;
    for (const replaced of listeners) replaced();
    listeners.clear();
    void closeAll(old, AbortSignal.abort(), away('another server has become the primary'));
  }

  return {
    pool: poolOf,
    listen,
    open,
    move(address) {
      target = address;
      leave();
      following.begin();
    },
    health() {
      if (target) return { status: 'failing', reason: 'the database is moving to another primary' };
      return probe.health();
    },
    async close(deadline) {
      probe.close();
      await Promise.all([looking.stop(), following.stop()]);
      return closeAll(pools, deadline);
    },
  };
}

function postgresRole(lane: Lane): string {
  return lane === 'anonymous' ? 'loadstone_system' : `loadstone_${lane}`;
}

/** A pooler that drops startup options would leave every connection with all the rights of the login. */
async function refuseOtherRole(pool: Pool, role: string, signal: AbortSignal): Promise<void> {
  const acting = await pool.queryable(signal).first<{ role: string }>(sql`select current_user as role`);
  if (acting?.role === role) return;
  throw databaseErrors.database_unsupported({
    detail: `connections act as ${acting?.role}, not ${role}: something between here and Postgres drops the startup parameter "options"`,
  });
}
