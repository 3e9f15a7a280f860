/**
 * The replicas of a primary, and which of them a read may go to.
 */
import { createDeadline } from '#base/deadline';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import { type CommitPosition, parseLsn, parsePosition } from '#blocks/postgres';
import type { Address } from '../address.ts';
import { databaseErrors } from '../errors.ts';
import type { ReplicaMetrics } from '../metrics.ts';
import type { ReadOptions } from '../port.ts';
import { createPrimaryPast } from '../primary/primary-past.ts';
import type { PrimaryTerm } from '../primary/primary-term.ts';
import type { Queryable } from '../queryable.ts';
import { type Sql, sql } from '../sql.ts';
import { createReplica, LOOK_EVERY_MS, type Replica, type ReplicaOptions } from './replica.ts';

export interface ReplicasOptions extends Omit<ReplicaOptions, 'address' | 'name'> {}

export interface ReplicasDeps extends Runtime {
  metrics: ReplicaMetrics;
  primaryTerm: PrimaryTerm;
  /** The primary, as the server itself. */
  primary: (signal: AbortSignal) => Queryable;
  /** Where replicas are said to run now; asked again and again. */
  addresses: () => readonly Address[];
}

/** Where a read goes. With `after` the replica has yet to show that it has come so far. */
export type Choice =
  | { kind: 'primary'; why: 'none_usable' | 'behind' }
  | { kind: 'replica'; replica: Replica; after: CommitPosition | undefined };

export interface Replicas {
  start(signal: AbortSignal): Promise<void>;
  choose(options: Pick<ReadOptions, 'consistency' | 'after'>): Choice;
  close(deadline: AbortSignal): Promise<number>;
}

/** How long the past of the primary reaches back: longer than any bound of lag. */
const SAMPLES_MAX = 600;
const SAMPLE_TIMEOUT_MS = 2000;

interface PrimarySample {
  cluster: string;
  term: number;
  lsn: string;
  recorded: boolean;
}

const SAMPLE: Sql<PrimarySample> = sql`
  with now_at as (
    select (select system_identifier::text from pg_control_system()) as cluster,
      ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer as term
  )
  select now_at.cluster, now_at.term, pg_current_wal_flush_lsn()::text as lsn, kept.term is not null as recorded
  from now_at left join core.database_term kept on kept.term = now_at.term and kept.cluster = now_at.cluster`;

export function createReplicas(options: ReplicasOptions, deps: ReplicasDeps): Replicas {
  const { clock, random, log, metrics } = deps;
  const past = createPrimaryPast(SAMPLES_MAX);
  const replicas = new Map<string, Replica>();

  /** A row that the replicas replay, so that each shows which term it has come to. */
  async function recordTerm({ cluster, term }: PrimarySample, primary: Queryable): Promise<void> {
    await primary.run(sql`
      insert into core.database_term (cluster, term) values (${cluster}, ${term})
      on conflict (is_only) do update set cluster = excluded.cluster, term = excluded.term`);
  }

  async function takeSample(signal: AbortSignal): Promise<void> {
    const atMs = clock.monotonicMs();
    const deadline = createDeadline(clock, SAMPLE_TIMEOUT_MS, signal);
    try {
      const primary = deps.primary(deadline.signal);
      const sample = await primary.first(SAMPLE);
      // A primary that was replaced may still answer what it was asked before that was known.
      if (!sample || deps.primaryTerm.isPast(sample.term)) return;
      if (!sample.recorded) await recordTerm(sample, primary);
      past.add({ atMs, position: { term: sample.term, lsn: parseLsn(sample.lsn) } });
    } finally {
      deadline.done();
    }
  }

  function nameOf({ host, port }: Address): string {
    return `${host}:${port}`;
  }

  /** Begins with replicas that are new, and ends with those that are there no more. */
  function reconcile(): void {
    const wanted = new Map(deps.addresses().map((address) => [nameOf(address), address]));
    for (const [name, replica] of replicas) {
      if (wanted.has(name)) continue;
      replicas.delete(name);
      const detail = `the replica ${name} is there no more`;
      void replica.close(AbortSignal.abort(), databaseErrors.database_unavailable({ detail }));
    }
    for (const [name, address] of wanted) {
      if (replicas.has(name)) continue;
      const given = { ...deps, past, onEjected: metrics.ejected };
      replicas.set(name, createReplica({ ...options, address, name }, given));
    }
    metrics.show([...wanted.keys()].map((name) => replicas.get(name)?.health()));
  }

  const loop = createLoop(clock, {
    async work() {
      // What fails here is seen by whoever writes: replicas are then of unknown age, which is all it means to them.
      await takeSample(loop.signal).catch(() => {});
      if (!loop.isStopping()) reconcile();
      return LOOK_EVERY_MS;
    },
    failed(error) {
      log.error({ err: error }, 'the replicas could not be looked after; trying again');
      return LOOK_EVERY_MS;
    },
  });

  /** The less busy of two taken by chance (Mitzenmacher, "The power of two choices"). */
  function pick(from: readonly Replica[]): Replica | undefined {
    if (from.length <= 1) return from[0];
    const at = Math.floor(random.fraction() * from.length);
    const other = (at + 1 + Math.floor(random.fraction() * (from.length - 1))) % from.length;
    const [first, second] = [from[at] as Replica, from[other] as Replica];
    return second.inFlight() < first.inFlight() ? second : first;
  }

  return {
    async start(signal) {
      // A slow answer is no reason not to start: the watch asks again.
      await takeSample(signal).catch(() => signal.throwIfAborted());
      reconcile();
      loop.begin(LOOK_EVERY_MS);
    },
    choose({ consistency, after: token }) {
      const usable = [...replicas.values()].filter((replica) => replica.isUsable());
      if (usable.length === 0) return { kind: 'primary', why: 'none_usable' };
      if (consistency === 'eventual' || token === undefined) {
        return { kind: 'replica', replica: pick(usable) as Replica, after: undefined };
      }
      const after = parsePosition(token);
      if (!after) return { kind: 'primary', why: 'behind' };
      const having = pick(usable.filter((replica) => replica.hasReplayed(after) === true));
      if (having) return { kind: 'replica', replica: having, after: undefined };
      const perhaps = pick(usable.filter((replica) => replica.hasReplayed(after) === 'unknown'));
      if (perhaps) return { kind: 'replica', replica: perhaps, after };
      return { kind: 'primary', why: 'behind' };
    },
    async close(deadline) {
      await loop.stop();
      const cut = await Promise.all([...replicas.values()].map((replica) => replica.close(deadline)));
      return cut.reduce((sum, each) => sum + each, 0);
    },
  };
}
