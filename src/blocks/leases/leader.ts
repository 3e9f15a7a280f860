/**
 * Campaigns for one named lease, and keeps it while this process lives.
 *
 * States:  campaigning ──the lease is free, or its beat has stood still──▶ leading ──stop──▶ closed (released)
 *               ▲                                                            │
 *               └──a beat finds another epoch, or none got through in time───┘
 */
import { hostname } from 'node:os';
import { togetherMs } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { describeError } from '#base/errors';
import { createLifecycle, type Health, type Lifecycle } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Random } from '#base/random';
import type { Runtime } from '#base/runtime';
import { createFailureDetector } from './failure-detector.ts';
import type { LeasesOptions } from './options.ts';
import type { Held, LeaseStore } from './store.ts';

export interface LeaderDeps extends Runtime {
  store: LeaseStore;
  /** Told when the lease has been taken, and when it turns out to be held still after it had seemed to run out. */
  onTaken?: (held: Held) => void;
}

export interface Leader extends Lifecycle {
  /**
   * The lease, for as long as nobody else can have taken it unless this process's last beat went unseen. It is the fence
   * that makes that certain: pass it to `store.fence` in each transaction.
   */
  current(): Held | undefined;
  /** Told by who was fenced off: campaigns again at once. */
  lost(held: Held): void;
}

type State = { kind: 'campaigning' } | { kind: 'leading'; held: Held; untilMs: number } | { kind: 'closed' };

/** A holder writes as seldom as lets it miss one beat; after one that failed it tries again as often as others look. */
const BEATS_PER_LEASE = 2.5;
/** Who wants the lease looks more often than it is kept: that costs no write, and is what a fail-over waits for. */
const LOOKS_PER_LEASE = 5;

/** How this process is called in tables that people read: unique, also after a restart. */
export function nameHolder(random: Random): string {
  return `${hostname()}:${process.pid}:${random.bytes(4).toString('hex')}`;
}

/**
 * A campaign for the lease `name`. Starting does not wait for the lease; `current` tells whether it has come. A holder
 * that stops gives it back at once; one that dies is followed after `leaseMs`, and at most two beats more.
 */
export function createLeader(name: string, { leaseMs }: LeasesOptions, deps: LeaderDeps): Leader {
  const { clock, random, log, store } = deps;
  const everyMs = Math.floor(leaseMs / LOOKS_PER_LEASE);
  const beatMs = Math.floor(leaseMs / BEATS_PER_LEASE);
  const holder = nameHolder(random);
  const failureDetector = createFailureDetector(clock);
  let state: State = { kind: 'campaigning' };
  let failure: string | undefined;
  let answeredMs = clock.monotonicMs();
  let asking: Promise<void> | undefined;

  async function campaign(): Promise<void> {
    const seen = await store.look(name);
    const isFree = seen?.holder === undefined;
    if (!isFree && failureDetector.silentForMs(name, `${seen.epoch} ${seen.beat}`) < leaseMs) return;
    const untilMs = clock.monotonicMs() + leaseMs;
    const held = await store.take(name, holder, seen);
    if (!held) return;
    // A lease that comes after the stop is given back.
    if (state.kind === 'closed') return store.release(held);
    state = { kind: 'leading', held, untilMs };
    log.info({ lease: name, epoch: held.epoch, instead: seen?.holder }, 'leading');
    deps.onTaken?.(held);
  }

  async function keep(held: Held): Promise<void> {
    const untilMs = clock.monotonicMs() + leaseMs;
    const isHeld = await store.beat(held);
    if (state.kind !== 'leading' || state.held !== held) return;
    if (!isHeld) return lost(held);
    const wasDoubtful = clock.monotonicMs() >= state.untilMs;
    state = { kind: 'leading', held, untilMs };
    if (wasDoubtful) deps.onTaken?.(held);
  }

  function lost(held: Held): void {
    if (state.kind !== 'leading' || state.held !== held) return;
    state = { kind: 'campaigning' };
    log.warn({ lease: name, epoch: held.epoch }, 'the lease has passed to another process');
    loop.hurry();
  }

  /**
   * Gives up waiting after a beat, but asks nothing else of the store until it has answered: a taking may have to wait for
   * the row, and a line of them would use up the connections.
   */
  async function turn(): Promise<number> {
    if (asking) return togetherMs(clock, everyMs);
    asking = (state.kind === 'leading' ? keep(state.held) : campaign()).finally(() => {
      asking = undefined;
    });
    const deadline = createDeadline(clock, everyMs, loop.signal);
    try {
      await withSignal(asking, deadline.signal);
      failure = undefined;
      answeredMs = clock.monotonicMs();
      return togetherMs(clock, state.kind === 'leading' ? beatMs : everyMs);
    } finally {
      deadline.done();
    }
  }

  const loop = createLoop(clock, {
    work: turn,
    failed(error) {
      failure = describeError(error);
      log.warn({ lease: name, err: error }, 'the lease could not be kept or asked for; trying again');
      return togetherMs(clock, everyMs);
    },
  });

  /** A beat that fails is made up for by the next ones; a lease's length without any is not. */
  function health(): Health {
    const isSilent = failure !== undefined && clock.monotonicMs() - answeredMs >= leaseMs;
    return isSilent ? { status: 'failing', reason: `lease ${name}: ${failure}` } : { status: 'ok' };
  }

  /** Does not fail: what is not released is followed after the length of the lease. */
  async function release(held: Held, deadline: AbortSignal): Promise<void> {
    const limit = createDeadline(clock, leaseMs, deadline);
    try {
      await withSignal(store.release(held), limit.signal);
    } catch (error) {
      log.warn({ lease: name, err: error }, 'the lease was perhaps not released; others wait until it ends');
    } finally {
      limit.done();
    }
  }

  const lifecycle = createLifecycle(`lease ${name}`, {
    async start(signal) {
      await withSignal(loop.begin(), signal);
    },
    async stop(deadline) {
      const held = state.kind === 'leading' ? state.held : undefined;
      state = { kind: 'closed' };
      await loop.stop();
      if (held) await release(held, deadline);
    },
    health,
  });

  return {
    ...lifecycle,
    current() {
      if (state.kind !== 'leading' || clock.monotonicMs() >= state.untilMs) return undefined;
      return state.held;
    },
    lost,
  };
}
