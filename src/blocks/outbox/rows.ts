/**
 * The relay's side of the table.
 */
import type { Database, Queryable, Sql } from '#blocks/database';
import { sql } from '#blocks/database';
import type { Held, LeaseStore } from '#blocks/leases';
import type { Appended, AppendRow, Streams } from '#blocks/stream';

export interface OutboxRows {
  /** Whether anything that is committed waits, from `lowWatermark` on. */
  isWaiting(lowWatermark: bigint): Promise<boolean>;
  /**
   * Moves the next events, from `lowWatermark` on, to the log: in one transaction, which has an effect only under the lease.
   * @throws lease_lost
   */
  move(held: Held, options: MoveOptions): Promise<Moved>;
  readFloor(): Promise<bigint>;
  /** Never lowers it. */
  keepFloor(lowWatermark: bigint): Promise<void>;
  /** How many events wait, counted up to a bound, and when the first of them was created. */
  measure(eventsMax: number): Promise<{ events: number; oldestAtMs: number | undefined }>;
}

export interface Moved extends Appended {
  /** The `traceparent`s of moved events whose traces are recorded: each once, and of many only some. */
  traceparents: readonly string[];
}

export interface MoveOptions {
  lowWatermark: bigint;
  /** Whether to look for `traceparents`. */
  isTraced: boolean;
  batchMax: number;
  leaseMs: number;
  signal: AbortSignal;
}

export interface RowsDeps {
  database: Pick<Database, 'transact'>;
  core: Queryable;
  leases: Pick<LeaseStore, 'fence'>;
  streams: Pick<Streams, 'append'>;
}

const TRACED_MAX = 100;
const BATCH_BYTES_MAX = 16_777_216;
/** A batch is of many workspaces and buckets; each event keeps its own. */
const PLACEMENT = { system: 'outbox', workspaceId: '0', bucket: 0 };

/** A plan made while the table was all but empty would read all of it later on. A frozen relay keeps no locks. */
function settings(leaseMs: number): Sql {
  return sql`
    select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
      set_config('idle_in_transaction_session_timeout', ${String(leaseMs)}, true)`;
}

/** Both uses of `lowWatermark` see one snapshot, so the rows deleted are the rows counted. */
function take(lowWatermark: bigint, batchMax: number): Sql<AppendRow> {
  return sql<AppendRow>`
    delete from core.outbox
    where seq >= ${lowWatermark} and seq <= (
      select max(seq) from (
        select seq, sum(bytes) over (order by seq) - bytes as bytes_before
        from (select seq, bytes from core.outbox where seq >= ${lowWatermark} order by seq limit ${batchMax}) as first_ones
      ) as counted
      where bytes_before < ${BATCH_BYTES_MAX}
    )
    returning seq, event_id, workspace_id, created_at, stream_id, bytes, partition, bucket, type, key, traceparent,
      payload`;
}

/** Those with the flag `recorded` (W3C Trace Context, 3.2.2.5) among the next to be moved. */
function traceparentsOf(lowWatermark: bigint, batchMax: number): Sql<{ traceparent: string }> {
  return sql<{ traceparent: string }>`
    select distinct traceparent
    from (select traceparent from core.outbox where seq >= ${lowWatermark} order by seq limit ${batchMax}) as first_ones
    where traceparent like '%-01' limit ${TRACED_MAX}`;
}

export function createOutboxRows({ database, core, leases, streams }: RowsDeps): OutboxRows {
  return {
    async isWaiting(lowWatermark) {
      const row = await core.first<{ waiting: boolean }>(sql`
        select exists (select from core.outbox where seq >= ${lowWatermark}) as waiting`);
      return row?.waiting === true;
    },
    move: (held, { lowWatermark, batchMax, leaseMs, isTraced, signal }) =>
      database.transact(PLACEMENT, { signal, role: 'system' }, async (tx) => {
        // One burst. The fence comes first: the batch sees all that an earlier holder has committed.
        const [, , traced, appended] = await Promise.all([
          tx.run(settings(leaseMs)),
          leases.fence(tx, held),
          isTraced ? tx.rows(traceparentsOf(lowWatermark, batchMax)) : [],
          streams.append(tx, take(lowWatermark, batchMax)),
        ]);
        return { ...appended, traceparents: traced.map(({ traceparent }) => traceparent) };
      }),
    async readFloor() {
      const row = await core.first<{ seq: string }>(sql`select seq from core.outbox_floor`);
      return BigInt(row?.seq ?? 0);
    },
    async keepFloor(lowWatermark) {
      await core.run(sql`update core.outbox_floor set seq = ${lowWatermark} where seq < ${lowWatermark}`);
    },
    async measure(eventsMax) {
      const row = await core.first<{ events: number; oldest: Date | null }>(sql`
        select count(*)::integer as events, min(created_at) as oldest
        from (
          select created_at from core.outbox where seq >= (select seq from core.outbox_floor)
          order by seq limit ${eventsMax}
        ) as waiting`);
      return { events: row?.events ?? 0, oldestAtMs: row?.oldest?.getTime() };
    },
  };
}
