/**
 * Moves events from the outbox to the log, in order: one process at a time, under a lease.
 *
 * States:  following ──the lease is taken──▶ leading: moving ──nothing waits──▶ leading: waiting
 *              ▲                                │  ▲                               │
 *              │                                │  └──woken, or looks──────────────┘
 *              └──fenced off, or the lease ran out
 */

import { backoffMs } from '#base/backoff';
import { createDeadline, withSignal } from '#base/deadline';
import { isLoadstoneError } from '#base/errors';
import { defineFaults } from '#base/faults';
import type { Health } from '#base/lifecycle';
import { createLoop, type Loop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import type { Tracer } from '#base/trace';
import type { Held, Leader } from '#blocks/leases';
import type { Streams } from '#blocks/stream';
import { createLookInterval, type Wakeups } from '#blocks/wakeup';
import { createLowWatermark, type LowWatermark } from './low-watermark.ts';
import type { OutboxOptions } from './options.ts';
import type { OutboxRows } from './rows.ts';

const faults = defineFaults('outbox', {
  moving: 'the relay has found events that wait; it has moved none of them',
  moved: 'the relay has moved a batch into the log, and committed; it does not know it yet',
});

export interface RelayDeps extends Runtime {
  tracer: Pick<Tracer, 'records' | 'begin'>;
  leader: Leader;
  rows: OutboxRows;
  streams: Pick<Streams, 'appended' | 'missed' | 'maintain'>;
  wakeups: Pick<Wakeups, 'notify' | 'isListening' | 'lookMsMax'>;
  onMoved: (events: number, tookMs: number) => void;
}

/** Its stop lets the batch in hand be committed, unless the deadline comes first. */
export interface Relay extends Pick<Loop, 'begin' | 'stop'> {
  /** Writers of any process have written events, or the lease has been taken. */
  told(): void;
  /** The low watermark of the present term; undefined while this process only follows. */
  lowWatermark(): bigint | undefined;
  health(): Health;
}

/** Longest wait of one that only follows; it is told when it leads. */
const FOLLOWING_MS = 5000;
const BACKOFF = { baseMs: 50, maxMs: 2000 };

interface Term {
  held: Held;
  lowWatermark: LowWatermark;
}

export function createRelay(options: Omit<OutboxOptions, 'lagMax'>, deps: RelayDeps): Relay {
  const { clock, random, log, tracer, leader, rows, streams, wakeups } = deps;
  const { batchMax, leaseMs, pollMs } = options;
  const interval = createLookInterval({ pollMs }, deps);
  let term: Term | undefined;
  let isTold = false;

  /** The term under the present lease: a new lease begins with what is certain about the outbox, and no more. */
  async function currentTerm(): Promise<Term | undefined> {
    const held = leader.current();
    if (held && term?.held.epoch === held.epoch) return term;
    term = undefined;
    if (!held) return undefined;
    const lowWatermark = createLowWatermark(await withSignal(rows.readFloor(), loop.signal));
    term = { held, lowWatermark };
    // A relay before this one may have died between its commit and telling of it.
    streams.missed();
    return term;
  }

  async function move({ held, lowWatermark }: Term): Promise<number> {
    const beganMs = clock.nowMs();
    const startMs = clock.monotonicMs();
    const deadline = createDeadline(clock, leaseMs, loop.signal);
    try {
      await faults.moving();
      const { signal } = deadline;
      const isTraced = tracer.records();
      const moved = await rows.move(held, {
        lowWatermark: lowWatermark.seq(),
        batchMax,
        leaseMs,
        isTraced,
        signal,
      });
      await faults.moved();
      lowWatermark.moved(moved);
      streams.appended(moved.heads);
      const tookMs = clock.monotonicMs() - startMs;
      if (moved.count > 0) deps.onMoved(moved.count, tookMs);
      for (const traceparent of moved.traceparents)
        tracer.begin(traceparent, 'relay', 'internal', beganMs).span.end();
      return moved.count;
    } finally {
      deadline.done();
    }
  }

  /**
   * @param wasTold of events: then they are moved without a look, which would cost them a round trip
   * @returns whether there were any
   */
  async function step(wasTold: boolean): Promise<boolean> {
    const present = await currentTerm();
    if (!present) return false;
    if (!wasTold && !(await withSignal(rows.isWaiting(present.lowWatermark.seq()), loop.signal)))
      return false;
    let moved = 0;
    for (let count = batchMax; count === batchMax && !loop.isStopping(); moved += count)
      count = await move(present);
    return moved > 0;
  }

  async function run(): Promise<number> {
    const wasTold = isTold;
    isTold = false;
    try {
      const isBusy = await step(wasTold);
      if (isBusy && !wasTold) interval.foundUntold();
      if (isBusy) interval.stirred();
      // What has come while it moved was told of, if anybody can tell.
      if (isBusy && !wakeups.isListening()) return 0;
      return leader.current() ? interval.nextMs() : FOLLOWING_MS;
    } catch (error) {
      if (loop.isStopping()) throw error;
      if (term && isLoadstoneError(error) && error.code === 'lease_lost') {
        leader.lost(term.held);
        // Writers of this process have told nobody else: they took this relay for the one.
        wakeups.notify('outbox');
        return 0;
      }
      // It may have run out of segments.
      await withSignal(streams.maintain(), loop.signal).catch(() => {});
      throw error;
    }
  }

  const loop = createLoop(clock, {
    work: run,
    failed(error, failures) {
      // Whether the batch was moved is not known: what it left below the low watermark's bound has to be looked for again.
      term = undefined;
      log.warn({ err: error }, 'the relay stumbled; going on');
      return backoffMs(BACKOFF, failures, random);
    },
  });

  return {
    begin() {
      // The first run looks anyway.
      isTold = false;
      return loop.begin();
    },
    stop: loop.stop,
    told() {
      isTold = true;
      loop.hurry();
    },
    lowWatermark: () => term?.lowWatermark.seq(),
    health: () => loop.health('relay'),
  };
}
