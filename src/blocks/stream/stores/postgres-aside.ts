/**
 * What a group has set aside.
 */
import { type Queryable, sql } from '#blocks/database';
import { streamErrors } from '../errors.ts';
import type { StreamInfo } from '../event.ts';
import type { AsideKey, AsideStore } from '../store.ts';
import { type Bigint, type EventRow, toEvent } from './rows.ts';

interface AsideRow extends EventRow {
  attempts: number;
  retry_at: Date;
  is_parked: boolean;
}

interface KeyRow {
  partition: number;
  workspace_id: Bigint;
  key: string;
  attempts: number;
  retry_at: Date;
  is_parked: boolean;
}

interface ParkedRow extends EventRow {
  attempts: number;
  parked_at: Date;
  error: string | null;
  behind: number;
}

function toKey(row: KeyRow): AsideKey {
  return {
    partition: row.partition,
    workspaceId: row.workspace_id,
    key: row.key,
    attempts: row.attempts,
    retryAtMs: row.retry_at.getTime(),
    isParked: row.is_parked,
  };
}

function assertAll(expected: number, actual: number): void {
  if (expected === actual) return;
  throw streamErrors.consumer_fenced({
    detail: `${expected - actual} events are no longer set aside as they were`,
  });
}

export function createAsideStore(core: Queryable, { streamId }: StreamInfo, group: string): AsideStore {
  return {
    async load(partitions) {
      const counts = await core.rows<{ partition: number; events: number }>(sql`
        select partition, count(*)::integer as events from core.stream_aside
        where stream_id = ${streamId} and group_name = ${group} and partition = any(${partitions}::smallint[])
        group by partition`);
      const events = new Map(counts.map((row) => [row.partition, row.events]));
      if (events.size === 0) return { keys: [], events };
      const keys = await core.rows<KeyRow>(sql`
        select distinct on (partition, workspace_id, key) partition, workspace_id, key, attempts, retry_at,
          parked_at is not null as is_parked
        from core.stream_aside
        where stream_id = ${streamId} and group_name = ${group} and partition = any(${partitions}::smallint[])
        order by partition, workspace_id, key, position`);
      return { keys: keys.map(toKey), events };
    },
    add: (tx, events) => add(tx, streamId, group, events),
    async first(tx, { partition, workspaceId, key }, eventsMax) {
      const rows = await tx.rows<AsideRow>(sql`
        select position, partition, event_id, workspace_id, bucket, type, key, payload, created_at, traceparent,
          attempts, retry_at, parked_at is not null as is_parked
        from core.stream_aside
        where stream_id = ${streamId} and group_name = ${group} and partition = ${partition}
          and workspace_id = ${workspaceId} and key = ${key}
        order by position
        limit ${eventsMax}
        for update`);
      return rows.map((row) => ({
        event: toEvent(row),
        attempts: row.attempts,
        retryAtMs: row.retry_at.getTime(),
        isParked: row.is_parked,
      }));
    },
    async done(tx, events) {
      const deleted = await tx.run(sql`
        delete from core.stream_aside
        where stream_id = ${streamId} and group_name = ${group}
          and position = any(${events.map(({ event }) => event.position)}::bigint[])`);
      assertAll(events.length, deleted);
    },
    async failed(tx, { position }, { attemptsBefore, retryAtMs, parkedAtMs, error }) {
      const updated = await tx.run(sql`
        update core.stream_aside set attempts = attempts + 1, retry_at = ${new Date(retryAtMs)},
          parked_at = ${parkedAtMs === undefined ? null : new Date(parkedAtMs)}, error = ${error}
        where stream_id = ${streamId} and group_name = ${group} and position = ${position}
          and attempts = ${attemptsBefore} and parked_at is null`);
      assertAll(1, updated);
    },
    async parked(after, eventsMax) {
      const rows = await core.rows<ParkedRow>(sql`
        select aside.position, aside.partition, aside.event_id, aside.workspace_id, aside.bucket, aside.type, aside.key,
          aside.payload, aside.created_at, aside.traceparent, aside.attempts, aside.parked_at, aside.error,
          (select count(*) from core.stream_aside as later
            where later.stream_id = aside.stream_id and later.group_name = aside.group_name
              and later.partition = aside.partition and later.workspace_id = aside.workspace_id
              and later.key = aside.key and later.position > aside.position)::integer as behind
        from core.stream_aside as aside
        where aside.stream_id = ${streamId} and aside.group_name = ${group} and aside.parked_at is not null
          and aside.position > ${after}
        order by aside.position
        limit ${eventsMax}`);
      return rows.map((row) => ({
        event: toEvent(row),
        attempts: row.attempts,
        error: row.error ?? '',
        parkedAt: row.parked_at,
        behind: row.behind,
      }));
    },
    redrive: (positions, nowMs) =>
      core.run(sql`
        update core.stream_aside set parked_at = null, attempts = 0, retry_at = ${new Date(nowMs)}
        where stream_id = ${streamId} and group_name = ${group} and parked_at is not null
          and (${positions === undefined} or position = any(${positions ?? []}::bigint[]))`),
    discard: (positions) =>
      core.run(sql`
        delete from core.stream_aside
        where stream_id = ${streamId} and group_name = ${group} and parked_at is not null
          and (${positions === undefined} or position = any(${positions ?? []}::bigint[]))`),
  };
}

/** The payloads are copied out of the log by position, not sent back to it. */
async function add(
  tx: Queryable,
  streamId: number,
  group: string,
  events: Parameters<AsideStore['add']>[1],
): Promise<void> {
  if (events.length === 0) return;
  const added = await tx.run(sql`
    insert into core.stream_aside (stream_id, group_name, partition, position, event_id, workspace_id, bucket,
      created_at, type, key, traceparent, payload, bytes, attempts, retry_at, parked_at, error)
    select ${streamId}, ${group}, log.partition, log.position, log.event_id, log.workspace_id, log.bucket,
      log.created_at, log.type, log.key, log.traceparent, log.payload, log.bytes, aside.attempts, aside.retry_at,
      aside.parked_at, aside.error
    from unnest(${events.map(({ event }) => event.partition)}::smallint[],
      ${events.map(({ event }) => event.position)}::bigint[],
      ${events.map(({ attempts }) => attempts)}::integer[],
      ${events.map(({ retryAtMs }) => new Date(retryAtMs))}::timestamptz[],
      ${events.map(({ parkedAtMs }) => (parkedAtMs === undefined ? null : new Date(parkedAtMs)))}::timestamptz[],
      ${events.map(({ error }) => error ?? null)}::text[])
      as aside (partition, position, attempts, retry_at, parked_at, error)
    join core.stream_events as log
      on log.stream_id = ${streamId} and log.partition = aside.partition and log.position = aside.position`);
  assertAll(events.length, added);
}
