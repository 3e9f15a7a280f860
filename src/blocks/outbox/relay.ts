/**
 * Moves events from the outbox to the log, in order: one process at a time, under a lease.
 *
 * States:  following ──the lease is taken──▶ leading: moving ──nothing waits──▶ leading: waiting
 *              ▲                                │  ▲                               │
 *              │                                │  └──woken, or looks──────────────┘
 *              └──fenced off, or the lease ran out
 */

import { backoffMs } from '#base/backoff';
import { type Clock, sleep } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { describeError, isLoadstoneError } from '#base/errors';
import { defineFaults } from '#base/faults';
import { type Health, lifecycleErrors } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Random } from '#base/random';
import type { Tracer } from '#base/trace';
import type { Held, Leader } from '#blocks/leases';
import type { LoopWakeup, Streams } from '#blocks/stream';
import { createLookInterval, type Wakeups } from '#blocks/wakeup';
import { createLowWatermark, type LowWatermark } from './low-watermark.ts';
import type { OutboxOptions } from './options.ts';
import type { OutboxRows } from './rows.ts';

const faults = defineFaults('outbox', {
  moving: 'the relay has found events that wait; it has moved none of them',
  moved: 'the relay has moved a batch into the log, and committed; it does not know it yet',
});

export interface RelayDeps {
  clock: Clock;
  random: Random;
  log: Log;
  tracer: Pick<Tracer, 'records' | 'begin'>;
  leader: Leader;
  rows: OutboxRows;
  streams: Pick<Streams, 'appended' | 'missed' | 'maintain'>;
  /** Rung by writers of all processes, and when the lease has been taken. */
  wakeup: LoopWakeup;
  wakeups: Pick<Wakeups, 'notify' | 'isListening' | 'lookMsMax'>;
  onMoved: (events: number, tookMs: number) => void;
}

export interface Relay {
  begin(): void;
  /** Lets the batch in hand be committed, unless `deadline` aborts first. */
  end(deadline: AbortSignal): Promise<void>;
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
  const { clock, random, log, tracer, leader, rows, streams, wakeup, wakeups } = deps;
  const { batchMax, leaseMs, pollMs } = options;
  const closing = new AbortController();
  const cutting = new AbortController();
  const interval = createLookInterval({ pollMs }, deps);
  let term: Term | undefined;
  let failure: string | undefined;
  let running = Promise.resolve();

  /** The term under the present lease: a new lease begins with what is certain about the outbox, and no more. */
  async function currentTerm(): Promise<Term | undefined> {
    const held = leader.current();
    if (held && term?.held.epoch === held.epoch) return term;
    term = undefined;
    if (!held) return undefined;
    const lowWatermark = createLowWatermark(await withSignal(rows.readFloor(), cutting.signal));
    term = { held, lowWatermark };
    // A relay before this one may have died between its commit and telling of it.
    streams.missed();
    return term;
  }

  async function move({ held, lowWatermark }: Term): Promise<number> {
    const beganMs = clock.nowMs();
    const startMs = clock.monotonicMs();
    const deadline = createDeadline(clock, leaseMs, cutting.signal);
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
   * @param isTold of events: then they are moved without a look, which would cost them a round trip
   * @returns whether there were any
   */
  async function step(isTold: boolean): Promise<boolean> {
    const present = await currentTerm();
    if (!present) return false;
    if (!isTold && !(await withSignal(rows.isWaiting(present.lowWatermark.seq()), cutting.signal)))
      return false;
    let moved = 0;
    for (let count = batchMax; count === batchMax && !closing.signal.aborted; moved += count)
      count = await move(present);
    return moved > 0;
  }

  async function stumbled(error: unknown, failures: number): Promise<void> {
    if (term && isLoadstoneError(error) && error.code === 'lease_lost') {
      leader.lost(term.held);
      // Writers of this process have told nobody else: they took this relay for the one.
      wakeups.notify('outbox');
      return;
    }
    // Whether the batch was moved is not known: what it left below the low watermark's bound has to be looked for again.
    term = undefined;
    failure = describeError(error);
    log.warn({ err: error }, 'the relay stumbled; going on');
    // It may have run out of segments.
    await withSignal(streams.maintain(), closing.signal).catch(() => {});
    await sleep(clock, backoffMs(BACKOFF, failures, random), closing.signal).catch(() => {});
  }

  async function run(): Promise<void> {
    let isTold = false;
    for (let failures = 0; !closing.signal.aborted; ) {
      try {
        const isBusy = await step(isTold);
        if (isBusy && !isTold) interval.foundUntold();
        if (isBusy) interval.stirred();
        failures = 0;
        failure = undefined;
        if (closing.signal.aborted) return;
        // What has come while it moved was told of, if anybody can tell.
        if (isBusy && !wakeups.isListening()) {
          isTold = false;
          continue;
        }
        isTold = await wakeup.wait(leader.current() ? interval.nextMs() : FOLLOWING_MS);
      } catch (error) {
        if (closing.signal.aborted) return;
        failures += 1;
        // Perhaps it has moved what it was told of.
        isTold = false;
        await stumbled(error, failures);
      }
    }
  }

  return {
    begin() {
      running = run();
    },
    async end(deadline) {
      const stopped = lifecycleErrors.stopped({ detail: 'the relay is being stopped' });
      const cut = () => cutting.abort(stopped);
      closing.abort(stopped);
      wakeup.ring();
      if (deadline.aborted) cut();
      deadline.addEventListener('abort', cut, { once: true });
      await running;
      deadline.removeEventListener('abort', cut);
    },
    lowWatermark: () => term?.lowWatermark.seq(),
    health: () =>
      failure === undefined ? { status: 'ok' } : { status: 'failing', reason: `relay: ${failure}` },
  };
}
