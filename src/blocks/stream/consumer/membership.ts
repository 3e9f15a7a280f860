/**
 * A consumer's place in its group: which partitions are its own, kept by a beat, and shared with the others.
 *
 * A partition of the group:  free ──take──▶ owned ──surplus, or the member leaves──▶ free
 *                              ▲              └──its member's beat stands still: evicted by another──┐
 *                              └─────────────────────────────────────────────────────────────────────┘
 *
 * Whatever is believed here may be out of date. What protects the data is the epoch and the position, which are compared
 * in the transaction that has the effects.
 */
import assert from 'node:assert/strict';
import { togetherMs } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { describeError } from '#base/errors';
import type { Health } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import { createFailureDetector } from '#blocks/leases';
import { streamErrors } from '../errors.ts';
import type { AsideKey, AsideStore, GroupState, GroupStore, PartitionState } from '../store.ts';
import { planShare } from './share.ts';

/** A partition that is this member's own. The consumer's loop, and nobody else, changes it. */
export interface Owned {
  readonly partition: number;
  readonly epoch: number;
  position: string;
  /** The head of the stream up to which nothing is left to read here; undefined before the first read. */
  caughtUpTo: string | undefined;
  /** Events set aside, and the keys they are of. */
  asideEvents: number;
  asideKeys: Map<string, AsideKey>;
  /** To be given up before the next batch. */
  isSurplus: boolean;
  /** Events after `position` were dropped unread: nothing is read here until the group seeks. */
  readonly isExpired: boolean;
}

export interface Membership {
  owned(): Owned[];
  /** Joins the group, which must be open, and takes what is free. Fails if the group cannot be reached. */
  begin(signal: AbortSignal): Promise<void>;
  /** To be called by the loop between batches: gives up what others should have. */
  giveUp(signal: AbortSignal): Promise<void>;
  /** To be called by the loop after a failure: brings what is owned up to date. */
  reload(signal: AbortSignal): Promise<void>;
  /** Whether the loop should look again at what is set aside: people may have touched it. Asks and clears. */
  takeBeat(): boolean;
  /** Leaves the group. Does not fail: a member that is gone is evicted after `leaseMs`. */
  leave(deadline: AbortSignal): Promise<void>;
  health(): Health;
}

export interface MembershipDeps extends Pick<Runtime, 'clock' | 'log'> {
  group: GroupStore;
  aside: Pick<AsideStore, 'load'>;
  /** The member's name, unique for ever. */
  me: string;
  /** Told at each beat. */
  onBeat: () => void;
}

const BEATS_PER_LEASE = 5;

/** What tells a key apart: ids are digits, so the first slash ends one. */
export function keyId({ workspaceId, key }: { workspaceId: string; key: string }): string {
  return `${workspaceId}/${key}`;
}

export function createMembership({ leaseMs }: { leaseMs: number }, deps: MembershipDeps): Membership {
  const { clock, log, group, me } = deps;
  const everyMs = Math.floor(leaseMs / BEATS_PER_LEASE);
  const all = new Map<number, Owned>();
  const failureDetector = createFailureDetector(clock);
  let failure: string | undefined;
  let answeredMs = clock.monotonicMs();
  let hasBeaten = false;
  let isTurning = false;
  let isAlone = false;
  let last: Promise<unknown> = Promise.resolve();

  /** What asks for the state of the group and then acts on it does so alone. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  async function look(): Promise<GroupState> {
    const state = await group.look();
    assert(state, 'the group has been opened');
    return state;
  }

  /** Drops what has passed to others. */
  function settle({ partitions }: GroupState): void {
    for (const { partition, holder, epoch } of partitions) {
      const owned = all.get(partition);
      if (!owned || (holder === me && owned.epoch === epoch)) continue;
      all.delete(partition);
      log.warn({ member: me, partition, holder }, 'a partition has passed to another consumer');
    }
  }

  async function adopt(states: readonly PartitionState[]): Promise<void> {
    const fresh = states.filter(({ partition, holder }) => holder === me && !all.has(partition));
    if (fresh.length === 0) return;
    const { keys, events } = await deps.aside.load(fresh.map(({ partition }) => partition));
    for (const { partition, epoch, position, isExpired } of fresh) {
      if (isExpired) tellExpired(partition, position);
      all.set(partition, {
        partition,
        epoch,
        position,
        caughtUpTo: undefined,
        asideEvents: events.get(partition) ?? 0,
        asideKeys: keysOf(partition, keys),
        isSurplus: false,
        isExpired,
      });
    }
  }

  function tellExpired(partition: number, position: string): void {
    const error = streamErrors.position_expired({ detail: `events after position ${position} were dropped` });
    log.error({ member: me, partition, err: error }, 'a partition stands still until its group seeks');
  }

  /** The live members besides this one: those whose beat stands still are evicted. */
  async function liveMembers({ members }: GroupState): Promise<Set<string>> {
    const live = new Set<string>();
    for (const { member, beat } of members) {
      if (member === me) continue;
      const isDead = failureDetector.silentForMs(member, beat) >= leaseMs;
      if (!isDead || !(await group.evict(member, beat))) live.add(member);
      else log.warn({ member, by: me }, 'a silent consumer was evicted from its group');
    }
    failureDetector.keep(live);
    return live;
  }

  async function turn(): Promise<void> {
    if (loop.isStopping()) return;
    const state = await group.beat(me);
    assert(state, 'the group has been opened');
    settle(state);
    const live = await liveMembers(state);
    isAlone = live.size === 0;
    const partitions = state.partitions.map((each) => {
      const isKnown = each.holder !== undefined && (each.holder === me || live.has(each.holder));
      return isKnown ? each : { ...each, holder: undefined };
    });
    const { surplus, wanted } = planShare({ me, members: [...live], partitions });
    for (const owned of all.values()) owned.isSurplus = surplus.includes(owned.partition);
    await adopt(state.partitions.filter(({ partition }) => !surplus.includes(partition)));
    const seen = partitions.filter(({ partition }) => wanted.includes(partition));
    // A stop that comes in between releases by name, also what is being taken.
    if (seen.length > 0 && !loop.isStopping()) await adopt(await group.take(me, seen));
  }

  /** Waits no longer than a lease, but begins no other turn until the one under way has ended. */
  async function beat(): Promise<number> {
    if (isTurning) return togetherMs(clock, everyMs);
    isTurning = true;
    const turned = alone(turn).finally(() => {
      isTurning = false;
    });
    const deadline = createDeadline(clock, leaseMs, loop.signal);
    try {
      await withSignal(turned, deadline.signal);
    } finally {
      deadline.done();
    }
    failure = undefined;
    answeredMs = clock.monotonicMs();
    beaten();
    // Who is alone waits for nobody; who comes is seen a beat later, and nothing stands still until then.
    return togetherMs(clock, isAlone ? 2 * everyMs : everyMs);
  }

  function beaten(): void {
    hasBeaten = true;
    deps.onBeat();
  }

  const loop = createLoop(clock, {
    work: beat,
    failed(error) {
      failure = describeError(error);
      log.warn({ member: me, err: error }, 'a consumer could not reach its group; trying again');
      beaten();
      return togetherMs(clock, everyMs);
    },
  });

  return {
    owned: () => [...all.values()],
    async begin(signal) {
      await withSignal(alone(turn), signal);
      loop.begin(togetherMs(clock, everyMs));
    },
    async giveUp(signal) {
      if (![...all.values()].some(({ isSurplus }) => isSurplus)) return;
      await withSignal(
        alone(async () => {
          const surplus = [...all.values()].filter(({ isSurplus }) => isSurplus);
          await group.release(surplus);
          for (const { partition } of surplus) all.delete(partition);
        }),
        signal,
      );
    },
    async reload(signal) {
      await withSignal(
        alone(async () => {
          const state = await look();
          settle(state);
          const { keys, events } = await deps.aside.load([...all.keys()]);
          for (const { partition, position } of state.partitions) {
            const owned = all.get(partition);
            if (!owned) continue;
            owned.position = position;
            owned.caughtUpTo = undefined;
            owned.asideEvents = events.get(partition) ?? 0;
            owned.asideKeys = keysOf(partition, keys);
          }
        }),
        signal,
      );
    },
    takeBeat() {
      const has = hasBeaten;
      hasBeaten = false;
      return has;
    },
    async leave(deadline) {
      await loop.stop();
      const limit = createDeadline(clock, leaseMs, deadline);
      try {
        await withSignal(
          alone(() => group.leave(me)),
          limit.signal,
        );
      } catch (error) {
        log.warn({ member: me, err: error }, 'a consumer could not leave its group; it will be evicted');
      } finally {
        limit.done();
        all.clear();
      }
    },
    health() {
      const isSilent = failure !== undefined && clock.monotonicMs() - answeredMs >= leaseMs;
      return isSilent ? { status: 'failing', reason: failure as string } : { status: 'ok' };
    },
  };
}

function keysOf(partition: number, keys: readonly AsideKey[]): Map<string, AsideKey> {
  return new Map(keys.filter((key) => key.partition === partition).map((key) => [keyId(key), key]));
}
