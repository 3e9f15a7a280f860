/**
 * A member of a consumer group: reads the partitions that are its own, has their events handled, and commits how far it
 * has come in the same transaction as the effects.
 *
 * One loop per consumer, and in it one batch at a time: it holds a connection while it reads, and during a transaction,
 * and none while it waits.
 */

import { backoffMs } from '#base/backoff';
import { withSignal } from '#base/deadline';
import { createLifecycle, type Health, type Lifecycle } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import type { Database } from '#blocks/database';
import { nameHolder } from '#blocks/leases';
import { streamErrors } from '../errors.ts';
import {
  assertName,
  comparePositions,
  POSITION_MIN,
  type StreamEvent,
  type StreamInfo,
  traceIdOf,
} from '../event.ts';
import type { Heads } from '../heads.ts';
import { assertKept } from '../kept.ts';
import type { ConsumerMeasures } from '../metrics.ts';
import type { StreamOptions } from '../options.ts';
import type { AsideKey, StreamStore } from '../store.ts';
import { type Batches, createBatches, type Handler } from './batches.ts';
import { createMembership, type Membership, type Owned } from './membership.ts';
import { nextWidth } from './width.ts';

/**
 * Where a new group begins; one that is there goes on where it was. `after` is a position; `timeMs` is a Unix time: from
 * the first event on that was created then or later.
 */
export type StartAt = 'earliest' | 'latest' | { after: string } | { timeMs: number };

type Tuning = Pick<
  StreamOptions,
  | 'leaseMs'
  | 'batchMax'
  | 'batchBytesMax'
  | 'batchTimeoutMs'
  | 'attemptsMax'
  | 'backoffBaseMs'
  | 'backoffMaxMs'
  | 'asideMax'
>;

export interface ConsumerDefinition extends Partial<Tuning> {
  stream: string;
  /** Members of one group share the work; each group sees all events. */
  group: string;
  /** `earliest` if absent. */
  start?: StartAt;
}

export interface ConsumerLag {
  /** Events that this member's partitions have before them; counted exactly up to some 10,000. */
  events: number;
  /** Age of the oldest of them. */
  oldestMs: number;
}

export interface Consumer extends Lifecycle {
  readonly stream: string;
  readonly group: string;
  /** The partitions that are this member's at the moment. */
  partitions(): number[];
  /** As of the last beat. */
  lag(): ConsumerLag;
  /** Looks again at what is set aside, for example after a redrive. */
  refresh(): void;
}

export interface ConsumerDeps extends Runtime {
  database: Pick<Database, 'transact'>;
  store: StreamStore;
  heads: Heads;
  measures: ConsumerMeasures;
}

const OUTAGE_BACKOFF = { baseMs: 100, maxMs: 5000 };
/** Longest wait when nothing rings: a bound, not a rhythm. */
const IDLE_MS = 60_000;
const LAG_EVENTS_MAX = 10_000;

type Options = Required<Omit<ConsumerDefinition, 'start'>> & { start: StartAt };

interface Parts {
  stream: StreamInfo;
  membership: Membership;
  batches: Batches;
}

/** The partitions of a consumer that may have news: all but those that are full, given up or expired. */
function readable(owned: readonly Owned[], { asideMax }: Tuning, head: string): Owned[] {
  return owned.filter(
    ({ isSurplus, isExpired, asideEvents, caughtUpTo }) =>
      !isSurplus &&
      !isExpired &&
      asideEvents < asideMax &&
      (caughtUpTo === undefined || comparePositions(caughtUpTo, head) < 0),
  );
}

interface Aside {
  owned: Owned;
  key: AsideKey;
}

/** The key whose time comes first, of those that are not parked. */
function nextAside(owned: readonly Owned[]): Aside | undefined {
  let next: Aside | undefined;
  for (const each of owned) {
    if (each.isSurplus) continue;
    for (const key of each.asideKeys.values()) {
      if (!key.isParked && (!next || key.retryAtMs < next.key.retryAtMs)) next = { owned: each, key };
    }
  }
  return next;
}

/** What a consumer does in one turn of its loop. Changes nothing but what is owned. */
function createSteps(options: Options, { stream, membership, batches }: Parts, deps: ConsumerDeps) {
  const { clock, store, heads } = deps;
  const { batchMax, batchBytesMax: bytesMax } = options;
  let width: number | undefined;
  let isDoubtful = false;
  let lag: ConsumerLag = { events: 0, oldestMs: 0 };

  async function retryDue(): Promise<boolean> {
    const next = nextAside(membership.owned());
    if (!next || next.key.retryAtMs > clock.nowMs()) return false;
    await batches.retry(next.owned, next.key);
    return true;
  }

  async function readAndHandle(cutting: AbortSignal): Promise<boolean> {
    // The head is read before the log: what comes after it is news.
    const head = heads.of(stream.streamId);
    const due = readable(membership.owned(), options, head);
    if (due.length === 0) return false;
    const widthMin = Math.ceil(batchMax / due.length);
    const perPartitionMax = Math.max(widthMin, width ?? 2 * widthMin);
    const limit = { eventsMax: batchMax, perPartitionMax, bytesMax };
    const cursors = due.map(({ partition, position }) => ({ partition, after: position }));
    const { events, isWhole } = await withSignal(store.read(stream, cursors, limit), cutting);
    width = nextWidth({ width: perPartitionMax, widthMin, batchMax }, { events: events.length, isWhole });
    await batches.handle(events, new Map(due.map((each) => [each.partition, each])));
    if (isWhole) for (const each of due) each.caughtUpTo = head;
    return events.length > 0 || !isWhole;
  }

  async function measureLag(cutting: AbortSignal): Promise<void> {
    const head = heads.of(stream.streamId);
    const behind = membership
      .owned()
      .filter(({ caughtUpTo }) => caughtUpTo === undefined || comparePositions(caughtUpTo, head) < 0);
    if (behind.length === 0) {
      lag = { events: 0, oldestMs: 0 };
      return;
    }
    const cursors = behind.map(({ partition, position }) => ({ partition, after: position }));
    const perPartitionMax = Math.ceil(LAG_EVENTS_MAX / behind.length);
    const { events, oldestMs } = await withSignal(store.lag(stream, cursors, perPartitionMax), cutting);
    lag = { events, oldestMs: oldestMs === undefined ? 0 : Math.max(0, clock.nowMs() - oldestMs) };
  }

  return {
    lag: () => lag,
    /** What is owned may not be as it is believed to be. */
    doubt(): void {
      isDoubtful = true;
    },
    /** @returns how long there is nothing to do, unless something rings */
    async step(cutting: AbortSignal): Promise<number> {
      await membership.giveUp(cutting);
      const isBeat = membership.takeBeat();
      const hasAside = membership.owned().some(({ asideEvents }) => asideEvents > 0);
      if (isDoubtful || (isBeat && hasAside)) {
        await membership.reload(cutting);
        isDoubtful = false;
      }
      if (isBeat) await measureLag(cutting);
      const hasRetried = await retryDue();
      const hasHandled = await readAndHandle(cutting);
      if (hasRetried || hasHandled) return 0;
      const next = nextAside(membership.owned());
      return next ? Math.min(IDLE_MS, Math.max(1, next.key.retryAtMs - clock.nowMs())) : IDLE_MS;
    },
  };
}

async function startPosition(store: StreamStore, stream: StreamInfo, start: StartAt): Promise<string> {
  if (start === 'earliest') return POSITION_MIN;
  if (start === 'latest') return store.head();
  if ('timeMs' in start) return store.positionBefore(stream, start.timeMs);
  await assertKept(store, stream, start.after);
  return start.after;
}

function healthOf(parts: Parts | undefined, name: string, options: Options): Health {
  const owned = parts?.membership.owned() ?? [];
  const named = (those: readonly Owned[]) => those.map(({ partition }) => partition).join(', ');
  const expired = owned.filter(({ isExpired }) => isExpired);
  if (expired.length > 0) {
    const reason = `${name}: position_expired in partition ${named(expired)}; remake what it makes, and seek`;
    return { status: 'failing', reason };
  }
  const full = owned.filter(({ asideEvents }) => asideEvents >= options.asideMax);
  if (full.length > 0) {
    const reason = `${name}: too much is set aside in partition ${named(full)}; redrive or discard what is parked`;
    return { status: 'failing', reason };
  }
  const health = parts?.membership.health();
  return health?.status === 'failing'
    ? { status: 'failing', reason: `${name}: ${health.reason}` }
    : { status: 'ok' };
}

/**
 * A consumer, to be started. Its start opens the group, joins it, and takes its share; @throws stream_unknown.
 * Its stop lets the batch in hand be committed, unless the deadline comes first, and gives its partitions to the others.
 */
export function createConsumer(
  definition: ConsumerDefinition,
  { handler }: { handler: Handler },
  tuning: Tuning,
  deps: ConsumerDeps,
): Consumer {
  const options: Options = { start: 'earliest', ...tuning, ...definition };
  assertName('stream', options.stream);
  assertName('consumer group', options.group);
  const { clock, random, log, store, heads, measures } = deps;
  const name = `consumer ${options.stream}/${options.group}`;
  let parts: Parts | undefined;
  let steps: ReturnType<typeof createSteps> | undefined;
  let unwatch = () => {};

  const loop = createLoop(clock, {
    work: async () => steps?.step(loop.signal) ?? IDLE_MS,
    failed(error, failures) {
      steps?.doubt();
      log.warn({ group: options.group, stream: options.stream, err: error }, 'a consumer stumbled; going on');
      return backoffMs(OUTAGE_BACKOFF, failures, random);
    },
  });

  function makeParts(stream: StreamInfo): Parts {
    const group = store.group(stream, options.group);
    const aside = store.aside(stream, options.group);
    const membership = createMembership(options, {
      ...deps,
      ...{ group, aside },
      me: nameHolder(random),
      onBeat: loop.hurry,
    });
    const batches = createBatches(options, {
      ...deps,
      ...{ group, aside, handler },
      stopping: loop.signal,
      onHandled: (events: readonly StreamEvent[]) => measures.handled(events, clock.nowMs()),
      onRefused(event, attempts, error, isParked) {
        measures.refused(isParked);
        const of = {
          stream: options.stream,
          group: options.group,
          position: event.position,
          eventId: event.id,
        };
        const text = isParked ? 'an event was parked' : 'an event could not be handled and is set aside';
        log.warn({ traceId: traceIdOf(event), ...of, attempts, err: error }, text);
      },
    });
    return { stream, membership, batches };
  }

  async function open(signal: AbortSignal): Promise<Parts> {
    const stream = await withSignal(store.find(options.stream), signal);
    if (!stream) throw streamErrors.stream_unknown({ detail: `there is no stream ${options.stream}` });
    const group = store.group(stream, options.group);
    if (!(await withSignal(group.look(), signal))) {
      await withSignal(startPosition(store, stream, options.start).then(group.open), signal);
    }
    return makeParts(stream);
  }

  const lifecycle = createLifecycle(name, {
    async start(signal) {
      parts = await open(signal);
      await parts.membership.begin(signal);
      unwatch = heads.watch(parts.stream.streamId, loop.hurry);
      steps = createSteps(options, parts, deps);
      loop.begin();
    },
    async stop(deadline) {
      unwatch();
      await loop.stop(deadline);
      await parts?.membership.leave(deadline);
    },
    health() {
      const health = loop.health(name);
      return health.status === 'failing' ? health : healthOf(parts, name, options);
    },
  });

  return {
    ...lifecycle,
    stream: options.stream,
    group: options.group,
    partitions: () => parts?.membership.owned().map(({ partition }) => partition) ?? [],
    lag: () => steps?.lag() ?? { events: 0, oldestMs: 0 },
    refresh() {
      steps?.doubt();
      loop.hurry();
    },
  };
}
