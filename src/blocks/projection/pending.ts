/**
 * Brings a copy of the table up to date: applies all that has been written and that the table does not have yet.
 *
 * Of each key the oldest events are those set aside, then come those that the group has not read, then those that wait
 * in the outbox. An event that is refused takes the later ones of its key with it, as it does in the consumer.
 */
import { describeError, isLoadstoneError } from '#base/errors';
import { type Queryable, type Sql, sql } from '#blocks/database';
import { POSITION_MIN } from '#blocks/stream';
import type { ProjectionDefinition, ProjectionEvent } from './definition.ts';
import { projectionErrors } from './errors.ts';
import { type Bound, type EventsRead, readAside, readLog, readWaiting } from './events.ts';
import type { Progress } from './progress.ts';

/** A key of which an event could not be applied. */
export interface RefusedKey {
  workspaceId: string;
  key: string;
  eventId: string;
  error: string;
}

export interface Pending {
  /** Events that were to be applied. */
  events: number;
  /** Keys of which the consumer has parked an event. */
  parkedKeys: number;
  refused: RefusedKey[];
}

export interface PendingLimits {
  batchMax: number;
  pendingMax: number;
}

export const BATCH_BYTES_MAX = 8_388_608;

const keyOf = ({ workspaceId, key }: ProjectionEvent) => `${workspaceId}/${key}`;

/** Whether the failure is the event's, and not of the surroundings. */
function isRefusal(error: unknown): boolean {
  return !isLoadstoneError(error) || !error.retryable;
}

/** Applies events, and leaves out those that are refused. */
function createApplier(tx: Queryable, { apply }: ProjectionDefinition, table: Sql) {
  const refused = new Map<string, RefusedKey>();

  async function attempt(events: readonly ProjectionEvent[]): Promise<{ error: unknown } | undefined> {
    await tx.run(sql`savepoint applied`);
    try {
      await apply(events, tx, table);
      await tx.run(sql`release savepoint applied`);
      return undefined;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await tx.run(sql`rollback to savepoint applied`);
      await tx.run(sql`release savepoint applied`);
      return { error };
    }
  }

  return {
    refused,
    /** In halves, where a batch is refused, until the event is found that is to blame. */
    async apply(events: readonly ProjectionEvent[]): Promise<void> {
      let size = events.length;
      for (let at = 0; at < events.length; ) {
        const slice = events.slice(at, at + size);
        const clear = slice.filter((event) => !refused.has(keyOf(event)));
        const failure = clear.length > 0 ? await attempt(clear) : undefined;
        const [first] = clear;
        if (failure && clear.length > 1) {
          size = Math.max(1, Math.floor(slice.length / 2));
          continue;
        }
        if (failure && first) {
          const { workspaceId, key, id: eventId } = first;
          const code = isLoadstoneError(failure.error) ? `${failure.error.code}: ` : '';
          const error = `${code}${describeError(failure.error)}`;
          refused.set(keyOf(first), { workspaceId, key, eventId, error });
        }
        at += slice.length;
        size = Math.min(events.length, size * 2);
      }
    },
  };
}

/** What comes in batches, each after the one before. */
async function* batches<Event>(
  read: (last: Event | undefined) => Promise<EventsRead<Event>>,
): AsyncGenerator<Event[]> {
  let last: Event | undefined;
  for (;;) {
    const { events, isWhole } = await read(last);
    yield events;
    if (isWhole) return;
    last = events.at(-1);
  }
}

/**
 * @param table a copy of the table as it is in the transaction's snapshot
 * @throws projection_behind when there is more than `pendingMax`
 */
export async function applyPending(
  tx: Queryable,
  definition: ProjectionDefinition,
  { progress, table }: { progress: Progress & { cursors: NonNullable<Progress['cursors']> }; table: Sql },
  { batchMax, pendingMax }: PendingLimits,
): Promise<Pending> {
  const { streamId, cursors, head } = progress;
  const bound: Bound = { eventsMax: batchMax, bytesMax: BATCH_BYTES_MAX };
  const applier = createApplier(tx, definition, table);
  const parked = new Set<string>();
  let count = 0;

  async function take(events: readonly ProjectionEvent[]): Promise<void> {
    count += events.length;
    if (count > pendingMax) {
      const detail = `more than ${pendingMax} events of ${definition.stream} wait to be applied (projection.pendingMax)`;
      throw projectionErrors.projection_behind({ detail, retryAfterS: 10 });
    }
    await applier.apply(events);
  }

  const aside = batches((last: { position: string } | undefined) =>
    readAside(tx, progress, last?.position ?? POSITION_MIN, bound),
  );
  for await (const events of aside) {
    for (const event of events) if (event.isParked) parked.add(keyOf(event));
    await take(events);
  }
  const from = cursors.map((cursor) => ({ ...cursor }));
  const logged = batches(() => readLog(tx, streamId, { cursors: from, until: head }, bound));
  for await (const events of logged) {
    for (const { partition, position } of events) {
      const cursor = from.find((each) => each.partition === partition);
      if (cursor) cursor.after = position;
    }
    await take(events);
  }
  const waiting = batches((last: { seq: string } | undefined) =>
    readWaiting(tx, streamId, last?.seq ?? '0', bound),
  );
  for await (const events of waiting) await take(events);
  return { events: count, parkedKeys: parked.size, refused: [...applier.refused.values()] };
}
