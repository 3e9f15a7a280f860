/**
 * The outbox of one database: events are written to it in the transactions whose rows they tell of, and moved to the log
 * by the relay of one of the processes. See README.md for what is promised and why it holds.
 */
import assert from 'node:assert/strict';
import { togetherMs } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { createLifecycle, type Health, type Lifecycle } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Tracer } from '#base/trace';
import type { Database, Queryable } from '#blocks/database';
import type { Ids } from '#blocks/ids';
import { createLeader, type LeaseStore } from '#blocks/leases';
import type { Streams, UncheckedEvent } from '#blocks/stream';
import { noWakeups, type Wakeups } from '#blocks/wakeup';
import { outboxErrors } from './errors.ts';
import { EVENTS_MAX, type EventPlacement, insertEvents, type Told } from './insert.ts';
import { emitOutboxMetrics } from './metrics.ts';
import type { OutboxOptions } from './options.ts';
import { createRelay, type Relay } from './relay.ts';
import { createOutboxRows, type OutboxRows } from './rows.ts';

export interface OutboxLag {
  /** Events that wait; counted up to one more than `lagMax`. */
  events: number;
  /** Age of the oldest of them; 0 when there are none. */
  oldestMs: number;
}

export interface Outbox extends Lifecycle {
  /**
   * Writes the events within `tx`, as its last statement but for the commit. Lock the row of the aggregate before, by
   * writing it: that is what keeps the events of a key in the order of their commits.
   * @throws event_too_large, before anything is sent; in the promise stream_unknown
   */
  insertEvents(
    tx: Queryable,
    place: EventPlacement,
    events: readonly UncheckedEvent[],
    traceparent: string | undefined,
  ): Promise<void>;
  /** The same for the events of several callers whose writes share the transaction. */
  insertEach(tx: Queryable, told: readonly Told[]): Promise<void>;
  /** After the commit: the relay starts at once, in whichever process it is. */
  wake(): void;
  /** As of the last second. */
  lag(): OutboxLag;
  /** Before the transaction. @throws outbox_full */
  assertRoom(): void;
}

export interface OutboxDeps extends Runtime {
  metrics: Metrics;
  tracer: Pick<Tracer, 'records' | 'begin'>;
  database: Pick<Database, 'transact' | 'core'>;
  ids: Pick<Ids, 'next'>;
  leases: LeaseStore;
  /** Whether its relay campaigns for the lease; default: yes. */
  isCandidate?: boolean;
  /** To be started before, and stopped after. */
  streams: Pick<Streams, 'append' | 'appended' | 'missed' | 'maintain'>;
  /** Without them events of other processes are looked for every `pollMs`. */
  wakeups?: Pick<Wakeups, 'notify' | 'on' | 'isListening' | 'lookMsMax'>;
}

const LEASE = 'relay';
const MEASURE_MS = 1000;
/** While nobody writes here, and nothing waited. */
const IDLE_MEASURE_MS = 12_000;

/**
 * Measures how many events wait: every second while events are written or moved here, or some wait. A leading relay keeps its
 * low watermark on the way.
 */
function createGauge(
  { lagMax }: OutboxOptions,
  {
    clock,
    log,
    rows,
    relay,
    isListening,
  }: Pick<Runtime, 'clock' | 'log'> & { rows: OutboxRows; relay: Relay; isListening: () => boolean },
) {
  let lag: OutboxLag = { events: 0, oldestMs: 0 };
  let keptFloor: bigint | undefined;
  let isStirred = false;
  let isSlow = false;

  async function measure(): Promise<void> {
    const deadline = createDeadline(clock, MEASURE_MS, loop.signal);
    try {
      const lowWatermark = relay.lowWatermark();
      if (lowWatermark !== undefined && lowWatermark !== keptFloor) {
        await withSignal(rows.keepFloor(lowWatermark), deadline.signal);
        keptFloor = lowWatermark;
      }
      const { events, oldestAtMs } = await withSignal(rows.measure(lagMax + 1), deadline.signal);
      lag = { events, oldestMs: oldestAtMs === undefined ? 0 : Math.max(0, clock.nowMs() - oldestAtMs) };
    } finally {
      deadline.done();
    }
  }

  function nextMs(): number {
    isSlow = isListening() && !isStirred && lag.events === 0;
    isStirred = false;
    return isSlow ? togetherMs(clock, IDLE_MEASURE_MS) : MEASURE_MS;
  }

  const loop = createLoop(clock, {
    work: () => measure().then(nextMs),
    failed(error) {
      log.warn({ err: error }, 'the outbox could not be measured');
      return nextMs();
    },
  });
  return {
    lag: () => lag,
    /** Events were written or moved. */
    stirred(): void {
      isStirred = true;
      if (isSlow) loop.hurry(MEASURE_MS);
    },
    begin: loop.begin,
    end: loop.stop,
  };
}

/** The outbox, with a relay that campaigns for the lease of the database's one relay. Its start does not wait for that. */
export function createOutbox(options: OutboxOptions, deps: OutboxDeps): Outbox {
  const { clock, log, database, ids, leases, streams } = deps;
  const { isCandidate = true, wakeups = noWakeups } = deps;
  let unsubscribe = () => {};
  const rows = createOutboxRows({ database, core: database.core, leases, streams });
  const leader = createLeader(LEASE, options, { ...deps, store: leases, onTaken: () => relay.told() });
  const relay = createRelay(options, {
    ...deps,
    ...{ leader, rows, wakeups },
    onMoved(events, tookMs) {
      measures.moved(events, tookMs);
      gauge.stirred();
    },
  });
  const gauge = createGauge(options, { clock, log, rows, relay, isListening: wakeups.isListening });
  const isLeading = () => leader.current() !== undefined;
  const measures = emitOutboxMetrics(deps.metrics, { lag: gauge.lag, isLeading });

  function isFull(): boolean {
    return gauge.lag().events > options.lagMax;
  }

  function health(): Health {
    if (isFull())
      return { status: 'failing', reason: `more than ${options.lagMax} events wait for the relay` };
    if (!isCandidate) return { status: 'ok' };
    const health = relay.health();
    return health.status === 'failing' ? health : leader.health();
  }

  function insertEach(tx: Queryable, told: readonly Told[]): Promise<void> {
    for (const { events } of told)
      assert(events.length <= EVENTS_MAX, `one caller writes at most ${EVENTS_MAX} events in a transaction`);
    if (told.every(({ events }) => events.length === 0)) return Promise.resolve();
    return insertEvents(tx, told, { nextId: ids.next, nowMs: clock.nowMs() });
  }

  const lifecycle = createLifecycle('outbox', {
    async start(signal) {
      if (isCandidate) await leader.start(signal);
      await withSignal(gauge.begin(), signal);
      if (!isCandidate) return;
      unsubscribe = wakeups.on('outbox', relay.told);
      relay.begin();
    },
    async stop(deadline) {
      unsubscribe();
      await Promise.all([gauge.end(), relay.stop(deadline)]);
      await leader.stop(deadline);
    },
    health,
  });

  return {
    ...lifecycle,
    insertEvents: (tx, place, events, traceparent) => insertEach(tx, [{ place, events, traceparent }]),
    insertEach,
    wake() {
      gauge.stirred();
      relay.told();
      if (!isLeading()) wakeups.notify('outbox');
    },
    lag: gauge.lag,
    assertRoom() {
      if (!isFull()) return;
      const detail = `more than ${options.lagMax} events wait for the relay`;
      throw outboxErrors.outbox_full({ detail, retryAfterS: 1 });
    },
  };
}
