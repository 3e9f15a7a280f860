/**
 * Ships one source, batch by batch. What a batch becomes and how far it reaches are written in one transaction, which
 * has no effect unless the database stands where we believe it does; after any failure that is read again. So a batch
 * whose commit was lost, or whose answer was, is neither left out nor written twice.
 */
import type { Log } from '#base/log';
import type { Database, Placement, Transaction } from '#blocks/database';
import { journalErrors } from '../errors.ts';
import type { JournalRecord } from '../files/frames.ts';
import { type Batch, createReader } from '../files/reader.ts';
import { finishShipped, moveShipped, readShipped } from './shipped-positions.ts';
import type { JournalSource } from './source.ts';

export type Apply = (records: readonly JournalRecord[], tx: Transaction) => Promise<void>;

export interface ShipmentDeps {
  log: Log;
  database: Database;
  placement: Placement;
  apply: Apply;
}

export interface Shipment {
  readonly source: JournalSource;
  /** Ships at most one batch, and deletes what is not needed any more. @returns how many records */
  ship(recordsMax: number, signal: AbortSignal): Promise<number>;
  /** Records that wait. */
  waiting(): number;
  /** The batch that was read and has not been committed. */
  inHand(): readonly JournalRecord[];
  /** Whether all is shipped, and nothing more will come. */
  isDone(): boolean;
  close(): Promise<void>;
}

export function createShipment(source: JournalSource, deps: ShipmentDeps): Shipment {
  const { log, database, placement, apply } = deps;
  const { journalId } = source;
  const reader = createReader(source, { log });
  /** What the database has; undefined when that must be read (again). */
  let stored: number | undefined;
  /** Where to read on: further than `stored` when damaged records were passed over. */
  let next = 0;
  let inHand: readonly JournalRecord[] = [];
  let isDone = false;

  function transact<T>(signal: AbortSignal, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return database.transact(placement, { signal, role: 'system' }, work);
  }

  async function commit({ records, next: to }: Batch, from: number, signal: AbortSignal): Promise<void> {
    await transact(signal, async (tx) => {
      const place = { workspaceId: placement.workspaceId, bucket: tx.bucket };
      // Sent together: a position that has moved undoes what was applied.
      const [isMoved] = await Promise.all([
        moveShipped(tx, journalId, { from, to, place }),
        (async () => apply(records, tx))(),
      ]);
      if (!isMoved)
        throw journalErrors.journal_shipped_elsewhere({ detail: `${journalId} is not at ${from}` });
    });
  }

  async function remove(signal: AbortSignal): Promise<void> {
    await reader.close();
    // In this order: a finished journal's files would be looked at no more.
    await source.remove();
    await transact(signal, (tx) => finishShipped(tx, journalId));
    isDone = true;
  }

  async function shipBatch(recordsMax: number, signal: AbortSignal): Promise<number> {
    if (stored === undefined) {
      stored = await transact(signal, (tx) => readShipped(tx, journalId));
      next = stored;
    }
    const batch = await reader.read(next, recordsMax);
    inHand = batch.records;
    if (inHand.length > 0) {
      await commit(batch, stored, signal);
      stored = batch.next;
    }
    next = batch.next;
    await source.release(next);
    if (!source.isOwn && next >= source.end()) await remove(signal);
    return inHand.length;
  }

  return {
    source,
    async ship(recordsMax, signal) {
      try {
        const count = await shipBatch(recordsMax, signal);
        inHand = [];
        return count;
      } catch (error) {
        stored = undefined;
        throw error;
      }
    },
    waiting: () => Math.max(0, source.end() - Math.max(next, source.files()[0]?.first ?? source.end())),
    inHand: () => inHand,
    isDone: () => isDone,
    close: () => reader.close(),
  };
}
