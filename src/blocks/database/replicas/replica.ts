/**
 * One replica: looked at again and again on a connection of its own, read from while it is healthy. When it is ejected its
 * connections are cut, so that nobody waits for it.
 */
import { createDeadline } from '#base/deadline';
import { describeError } from '#base/errors';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import { type CommitPosition, hasReached, parseLsn } from '#blocks/postgres';
import type { Address } from '../address.ts';
import { databaseErrors } from '../errors.ts';
import { createPool, type Pool } from '../primary/pool.ts';
import type { PrimaryPast } from '../primary/primary-past.ts';
import type { PrimaryTerm } from '../primary/primary-term.ts';
import type { Queryable, Role } from '../queryable.ts';
import { sql } from '../sql.ts';
import {
  due,
  failed,
  isWithin,
  looked,
  misfit,
  type ReplicaHealth,
  type ReplicaLook,
  unchecked,
} from './replica-health.ts';

export const LOOK_EVERY_MS = 200;
const LOOK_TIMEOUT_MS = 2000;

export interface ReplicaOptions {
  address: Address;
  /** How it is called in the log: no password. */
  name: string;
  lagMsMax: number;
  poolMax: number;
  waitMax: number;
  statementTimeoutMs: number;
}

export interface ReplicaDeps extends Runtime {
  past: PrimaryPast;
  primaryTerm: PrimaryTerm;
  onEjected: () => void;
}

/** What a read on a replica came to: `behind`, when it had not yet replayed what it was asked for. */
export type ReplicaAnswer<T> = { kind: 'read'; value: T } | { kind: 'behind' };

export interface Replica {
  readonly name: string;
  health(): ReplicaHealth;
  /** Healthy by its last look, and still within the bound. */
  isUsable(): boolean;
  /**
   * Whether it had replayed `after` when it was last seen; `unknown` when it had not, but that was long enough ago for it
   * to have done so.
   */
  hasReplayed(after: CommitPosition): boolean | 'unknown';
  /** Requests that it is working on, or that wait for a connection to it. */
  inFlight(): number;
  /**
   * Runs `read` on one of its connections. With `after`, the place it has replayed is asked for in front of it, in the same
   * round trip, and what was read before it had come to `after` is thrown away.
   */
  read<T>(
    role: Role,
    signal: AbortSignal | undefined,
    after: CommitPosition | undefined,
    read: (queryable: Queryable) => Promise<T>,
  ): Promise<ReplicaAnswer<T>>;
  /** @param reason what those are told who still use it. @returns how many connections had to be cut off */
  close(deadline: AbortSignal, reason?: Error): Promise<number>;
}

/** Behind, and looked at so recently: what it has not replayed it does not yet have. */
const SURE_MS = 10;

const LOOK = sql<{ isStandby: boolean; cluster: string; term: number | null; lsn: string | null }>`
  select pg_is_in_recovery() as "isStandby", (select system_identifier::text from pg_control_system()) as cluster,
    (select term from core.database_term) as term, pg_last_wal_replay_lsn()::text as lsn`;

const REPLAYED = sql<{ lsn: string | null }>`select pg_last_wal_replay_lsn()::text as lsn`;

/** Begins to look at once; never waited for. */
export function createReplica(options: ReplicaOptions, deps: ReplicaDeps): Replica {
  const { name, lagMsMax } = options;
  const { clock, log } = deps;
  let health: ReplicaHealth = unchecked;
  let pools: Record<Role, Pool> | undefined;

  function openPool(role: Role, connectionsMax: number): Pool {
    const { address, waitMax, statementTimeoutMs } = options;
    return createPool(
      { address, role: `loadstone_${role}`, connectionsMax, waitMax, statementTimeoutMs },
      { clock, log, onFailure: (error) => eject(describeError(error)) },
    );
  }
  const watcher = openPool('system', 1);

  function eject(reason: string): void {
    if (loop.isStopping() || health.kind === 'ejected') return;
    health = failed(health, reason, clock.monotonicMs(), deps.random);
    log.warn({ replica: name, reason }, 'a replica gets no reads until it answers well again');
    deps.onEjected();
    const detail = `the replica ${name} was ejected: ${reason}`;
    const old = pools;
    pools = undefined;
    for (const pool of old ? [old.app, old.system] : []) {
      void pool.close(AbortSignal.abort(), databaseErrors.database_unavailable({ detail, retryAfterS: 1 }));
    }
  }

  function noteLook(look: ReplicaLook): void {
    const primary = deps.primaryTerm.current();
    if (!primary) return;
    const { term, lsn } = look;
    const nothingYet = term === null || lsn === null;
    const problem =
      misfit(look, primary.cluster) ??
      (nothingYet ? 'it has not replayed anything of this server yet' : undefined);
    if (problem !== undefined || nothingYet) {
      eject(problem ?? '');
      return;
    }
    const was = health.kind;
    health = looked({ term, lsn }, { past: deps.past, lagMsMax, nowMs: clock.monotonicMs() });
    pools ??= { app: openPool('app', options.poolMax), system: openPool('system', options.poolMax) };
    if (was !== health.kind) log.info({ replica: name, was, is: health.kind }, 'a replica has changed');
  }

  async function look(): Promise<void> {
    const deadline = createDeadline(clock, LOOK_TIMEOUT_MS, loop.signal);
    try {
      const answer = await watcher.queryable(deadline.signal).first(LOOK);
      if (answer) noteLook({ ...answer, lsn: answer.lsn === null ? null : parseLsn(answer.lsn) });
    } catch (error) {
      eject(describeError(error));
    } finally {
      deadline.done();
    }
  }

  const loop = createLoop(clock, {
    async work() {
      health = due(health, clock.monotonicMs());
      if (health.kind !== 'ejected') await look();
      return LOOK_EVERY_MS;
    },
    failed(error) {
      log.error({ replica: name, err: error }, 'a replica could not be looked at; trying again');
      return LOOK_EVERY_MS;
    },
  });
  loop.begin();

  /** What a read has learnt on its way. */
  function noteReplayed(lsn: bigint): void {
    if (health.kind !== 'healthy') return;
    const { seen } = health;
    const at = { term: seen.at.term, lsn };
    health = { kind: 'healthy', seen: { ...seen, at, lookedMs: clock.monotonicMs() } };
  }

  return {
    name,
    health: () => health,
    isUsable: () => health.kind === 'healthy' && isWithin(health.seen, lagMsMax, clock.monotonicMs()),
    hasReplayed(after) {
      if (health.kind !== 'healthy') return false;
      const { at, lookedMs } = health.seen;
      if (hasReached(at, after)) return true;
      return at.term === after.term && clock.monotonicMs() - lookedMs > SURE_MS ? 'unknown' : false;
    },
    inFlight: () => (pools ? inFlightOf(pools.app) + inFlightOf(pools.system) : 0),
    async read(role, signal, after, read) {
      if (!pools) throw databaseErrors.database_unavailable({ detail: `the replica ${name} is away` });
      const connection = await pools[role].connect(signal);
      try {
        if (!after) return { kind: 'read', value: await read(connection) };
        const [asked, given] = await Promise.allSettled([connection.first(REPLAYED), read(connection)]);
        if (asked.status === 'rejected') throw asked.reason;
        const lsn = asked.value?.lsn ? parseLsn(asked.value.lsn) : 0n;
        noteReplayed(lsn);
        if (!hasReached({ term: after.term, lsn }, after)) return { kind: 'behind' };
        if (given.status === 'rejected') throw given.reason;
        return { kind: 'read', value: given.value };
      } finally {
        connection.release();
      }
    },
    async close(deadline, reason) {
      const stopped = loop.stop();
      const all = [watcher, ...(pools ? [pools.app, pools.system] : [])];
      const cut = await Promise.all(all.map((pool) => pool.close(deadline, reason)));
      await stopped;
      return cut.reduce((sum, each) => sum + each, 0);
    },
  };
}

function inFlightOf(pool: Pool): number {
  return pool.inUse() + pool.waiting();
}
