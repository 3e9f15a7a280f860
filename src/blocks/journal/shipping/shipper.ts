/**
 * Moves the records of a journal into Postgres, each once, in their order.
 *
 * States:  idle ──records──▶ lingering ──time, or a whole batch waits──▶ shipping ──▶ idle, or lingering for the rest
 *                                           backing_off ◀──failure────────┘  ▲
 *                                                 └──────────time────────────┘          stopped (from any)
 */
import { backoffMs } from '#base/backoff';
import { createDeadline } from '#base/deadline';
import { isLoadstoneError } from '#base/errors';
import { createLifecycle, type Lifecycle, lifecycleErrors } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Database, Placement } from '#blocks/database';
import type { Journal } from '../journal.ts';
import { emitShipperMetrics } from '../metrics.ts';
import type { ShipperOptions } from '../options.ts';
import { type Apply, createShipment, type Shipment } from './shipment.ts';

export interface ShipperDeps extends Runtime {
  metrics: Metrics;
  /** Started before the shipper, and stopped after it. It may have one shipper. */
  journal: Journal;
  database: Database;
  /** Where the records go, and with them the position. */
  placement: Placement;
  /**
   * Writes what the records become, in their order, by the transaction alone (Postgres role `system`): it may run again
   * after a failure, and only the run that commits counts. The records are views, valid until it resolves. One that
   * cannot be used must be put aside here: a batch that fails is tried again for ever, though in smaller pieces.
   */
  apply: Apply;
}

const RETRY_MS_MIN = 100;
/** The database is away, or what it did is unknown: a smaller batch would fare no better. */
const AWAY_CODES = new Set([
  'database_unavailable',
  'database_busy',
  'database_conflict',
  'outcome_unknown',
  'journal_shipped_elsewhere',
  'stopped',
]);

/** Ships by itself from start to stop; a stop ships what is there if the database lets it, and leaves the rest. */
export function createShipper(options: ShipperOptions, deps: ShipperDeps): Lifecycle {
  const { batchMax, lingerMs, timeoutMs, retryMsMax } = options;
  const { clock, random, log, journal } = deps;
  const name = journal.journalName;
  const closing = new AbortController();
  const shipments = new Map<string, Shipment>();
  let shipping: Promise<void> | undefined;
  /** Since when records wait for a batch to become whole. */
  let lingerSinceMs: number | undefined;
  let batchLimit = batchMax;
  let failures = 0;
  let shipped = 0;
  let failed = 0;
  /** While stopping: where to end. */
  let drainTo: number | undefined;

  emitShipperMetrics(deps.metrics, name, {
    shipped: () => shipped,
    failures: () => failed,
    lagRecords: waiting,
    lagMs,
  });

  function shipmentList(): Shipment[] {
    return journal.sources().map((source) => {
      const known = shipments.get(source.journalId) ?? createShipment(source, deps);
      shipments.set(source.journalId, known);
      return known;
    });
  }

  function waiting(): number {
    return shipmentList().reduce((sum, shipment) => sum + shipment.waiting(), 0);
  }

  function lagMs(): number {
    if (waiting() === 0) return 0;
    const [first] = shipmentList().flatMap((shipment) => shipment.inHand());
    return Math.max(0, clock.nowMs() - (first?.atMs ?? lingerSinceMs ?? clock.nowMs()));
  }

  async function shipOne(): Promise<void> {
    const [shipment] = shipmentList();
    if (!shipment) return;
    const deadline = createDeadline(clock, timeoutMs, closing.signal);
    try {
      shipped += await shipment.ship(batchLimit, deadline.signal);
    } finally {
      deadline.done();
    }
    batchLimit = Math.min(batchMax, batchLimit * 2);
    failures = 0;
    if (!shipment.isDone()) return;
    shipments.delete(shipment.source.journalId);
    journal.forget(shipment.source);
  }

  /** Journals of ended processes are shipped to their end; of our own, whole batches, unless we are stopping. */
  function goesOn(): boolean {
    const [shipment] = shipmentList();
    if (!shipment) return false;
    if (!shipment.source.isOwn) return true;
    if (drainTo === undefined) return shipment.waiting() >= batchMax;
    return shipment.waiting() > shipment.source.end() - drainTo;
  }

  async function shipAll(): Promise<void> {
    do await shipOne();
    while (goesOn());
  }

  async function run(): Promise<number> {
    lingerSinceMs = undefined;
    if (!hasWork()) return Number.POSITIVE_INFINITY;
    shipping = shipAll().finally(() => {
      shipping = undefined;
    });
    await shipping;
    return nextMs();
  }

  /** A whole batch goes at once, another when its first record has lingered. */
  function nextMs(): number {
    if (waiting() >= batchMax) return 0;
    if (!hasWork()) return Number.POSITIVE_INFINITY;
    lingerSinceMs ??= clock.nowMs();
    return lingerMs;
  }

  function hasWork(): boolean {
    return waiting() > 0 || journal.sources().some((source) => !source.isOwn || source.wantsRoom());
  }

  function unshipped(): { first: number | undefined; count: number; waiting: number } {
    const inHand = shipmentList().flatMap((shipment) => shipment.inHand());
    return { first: inHand[0]?.sequence, count: inHand.length, waiting: waiting() };
  }

  function backOff(error: unknown): number {
    failed += 1;
    const records = unshipped();
    const isAway = isLoadstoneError(error) && AWAY_CODES.has(error.code);
    if (!isAway && records.count > 1) batchLimit = Math.floor(records.count / 2);
    else failures += 1;
    const wait = { baseMs: RETRY_MS_MIN, maxMs: retryMsMax };
    const retryMs = Math.round(backoffMs(wait, failures + 1, random));
    log.warn({ journal: name, err: error, records, retryMs }, 'records could not be shipped; trying again');
    return retryMs;
  }

  const loop = createLoop(clock, { work: run, failed: backOff });

  async function drain(deadline: AbortSignal): Promise<void> {
    drainTo = journal.sources().at(-1)?.end() ?? 0;
    const stopped = loop.stop(deadline);
    try {
      if (shipping) await shipping;
      else if (!deadline.aborted && hasWork()) await shipAll();
    } catch (error) {
      failed += 1;
      const records = unshipped();
      log.warn({ journal: name, err: error, records }, 'records stay in the journal for the next start');
    }
    await stopped;
  }

  let ignore = () => {};
  return createLifecycle(`shipper of the journal ${name}`, {
    async start() {
      ignore = journal.onChange(() => loop.hurry(nextMs()));
      loop.begin(nextMs());
    },
    async stop(deadline) {
      ignore();
      const cut = () => closing.abort(lifecycleErrors.stopped({ detail: 'the shipper has been stopped' }));
      deadline.addEventListener('abort', cut, { once: true });
      if (deadline.aborted) cut();
      await drain(deadline);
      deadline.removeEventListener('abort', cut);
      for (const shipment of shipments.values()) await shipment.close();
    },
  });
}
