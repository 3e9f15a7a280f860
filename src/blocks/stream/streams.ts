/**
 * The streams of one database: declared, read, followed and consumed. Appending is the relay's alone (`#blocks/outbox`).
 * See README.md for what is promised and why it holds.
 */
import type { Clock } from '#base/clock';
import { withSignal } from '#base/deadline';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Database, Queryable, Sql } from '#blocks/database';
import { noWakeups, type Wakeups } from '#blocks/wakeup';
import type { Handler } from './consumer/batches.ts';
import { type Consumer, type ConsumerDefinition, createConsumer } from './consumer/consumer.ts';
import { streamErrors } from './errors.ts';
import { assertName, POSITION_MIN, type StreamEvent, type StreamInfo } from './event.ts';
import { createEventReader, type EventDefinition, streamOf } from './event-definition.ts';
import { createHeads } from './heads.ts';
import { assertKept } from './kept.ts';
import { emitStreamMetrics } from './metrics.ts';
import type { StreamOptions } from './options.ts';
import { createRetention } from './retention.ts';
import type { Appended, AppendRow, OpenedGroup, ParkedEvent, StreamHead, StreamStore } from './store.ts';
import { type FollowOptions, openTail, type Tail, type TailOptions } from './tail.ts';

/** How far a group has come in one partition. */
export interface PartitionOverview {
  partition: number;
  position: string;
  /** Who works on it. */
  member: string | undefined;
  /** Stands still, because retention has dropped events after `position`, until the group seeks. */
  isExpired: boolean;
}

/** One consumer group, for those who look after it. */
export interface GroupOverview {
  partitions: readonly PartitionOverview[];
  members: readonly string[];
  /** Events before the group; counted exactly up to some 10,000. */
  lagEvents: number;
  /** When the oldest of them was created. */
  oldestMs: number | undefined;
}

export interface Group {
  /** Undefined when no consumer has opened it yet. */
  look(): Promise<GroupOverview | undefined>;
  /** Parked events after a position, oldest first. */
  parked(options: { after?: string; limit: number }): Promise<ParkedEvent[]>;
  /** Has parked events tried again at once, as if they had never failed; all of them without positions. @returns how many */
  redrive(positions?: readonly string[]): Promise<number>;
  /** Drops parked events for good; those behind them go on. @returns how many */
  discard(positions: readonly string[]): Promise<number>;
  /**
   * Has the group go on after a position, back or forth; after '0' from the first event that is kept. What it has set
   * aside after that is forgotten, because it comes again. Effects that were committed stay: rebuild what they made, or
   * let the handler know them by the event's id.
   * @throws position_expired
   */
  seek(position: string): Promise<void>;
}

/** `start` makes room in the log, and follows its growth; consumers and tails are started by themselves, after it. */
export interface Streams extends Lifecycle {
  /**
   * Makes a stream, or finds it. To be called at the start of each program that publishes to it.
   * @throws stream_partitions_fixed when it is there with another number of partitions
   */
  declare(name: string, partitions?: number): Promise<StreamInfo>;
  /** @throws stream_unknown */
  find(name: string): Promise<StreamInfo>;
  /** The newest position of the log. */
  head(): Promise<string>;
  /** A position that every event of the stream created at `timeMs` or later comes after. */
  positionBefore(name: string, timeMs: number): Promise<string>;
  /** The events of one key after a position (from the first one kept, without it), oldest first. */
  readKey(
    name: string,
    of: { workspaceId: string; key: string },
    options: { after?: string; limit: number },
  ): Promise<StreamEvent[]>;
  /** Follows the stream. @throws stream_unknown, position_expired */
  tail(name: string, options: TailOptions): Promise<Tail>;
  /**
   * Follows those events of their one stream that have one of the definitions, read by them. One that cannot be read ends
   * the tail (`onEnd`). @throws stream_unknown, position_expired
   */
  follow<const Definitions extends readonly EventDefinition[]>(
    definitions: Definitions,
    options: FollowOptions<Definitions[number]>,
  ): Promise<Tail>;
  /** A member of a consumer group, to be started and stopped by the caller. */
  createConsumer(definition: ConsumerDefinition, work: { handler: Handler }): Consumer;
  group(name: string, group: string): Group;
  /** Every group that a consumer has opened, of all streams. */
  groups(): Promise<OpenedGroup[]>;

  /** For the relay: appends within its transaction. See `LogStore.append`. */
  append(tx: Queryable, events: Sql<AppendRow>): Promise<Appended>;
  /** For the relay: tells this process and the others what it has committed, so that nobody need look for it. */
  appended(heads: readonly StreamHead[]): void;
  /** For the relay: that it may have committed, or one before it, what was not told. */
  missed(): void;
  /** For the relay, when an append has failed: sees to it that there is room. */
  maintain(): Promise<void>;
}

export interface StreamsDeps extends Runtime {
  metrics: Metrics;
  database: Pick<Database, 'transact'>;
  store: StreamStore;
  /** Without them the log is looked at every `pollMs`. */
  wakeups?: Pick<Wakeups, 'notify' | 'on' | 'isListening' | 'lookMsMax'>;
}

const PARTITIONS_DEFAULT = 16;
const LAG_EVENTS_MAX = 10_000;

/** The streams of the database that `store` works on, which must be the one of `database`. */
export function createStreams(options: StreamOptions, deps: StreamsDeps): Streams {
  const { clock, store, wakeups = noWakeups } = deps;
  const measures = emitStreamMetrics(deps.metrics);
  const heads = createHeads(options, { ...deps, wakeups });
  const retention = createRetention(options, { ...deps, onDroppedUnread: measures.droppedUnread });
  const consumers = new Set<Consumer>();

  async function find(name: string): Promise<StreamInfo> {
    const stream = await store.find(name);
    if (!stream) throw streamErrors.stream_unknown({ detail: `there is no stream ${name}` });
    return stream;
  }

  async function declare(name: string, partitions = PARTITIONS_DEFAULT): Promise<StreamInfo> {
    assertName('stream', name);
    const stream = await store.declare(name, partitions);
    if (stream.partitions === partitions) return stream;
    const detail = `${name} has ${stream.partitions} partitions, and was declared with ${partitions}`;
    throw streamErrors.stream_partitions_fixed({ detail });
  }

  async function tail(name: string, tailOptions: TailOptions): Promise<Tail> {
    return openTail(await find(name), tailOptions, { ...deps, heads });
  }

  function consumer(definition: ConsumerDefinition, work: { handler: Handler }): Consumer {
    const ofConsumer = measures.ofConsumer(definition.stream, definition.group);
    const made = createConsumer(definition, work, options, { ...deps, heads, measures: ofConsumer });
    let unwatch = () => {};
    return {
      ...made,
      async start(signal) {
        await made.start(signal);
        consumers.add(made);
        unwatch = measures.watch(made);
      },
      async stop(deadline) {
        consumers.delete(made);
        unwatch();
        await made.stop(deadline);
      },
    };
  }

  const lifecycle = createLifecycle('streams', {
    async start(signal) {
      await withSignal(retention.maintain(), signal);
      retention.begin();
      heads.begin();
    },
    async stop() {
      await Promise.all([retention.end(), heads.end()]);
    },
    health() {
      const health = heads.health();
      return health.status === 'failing' ? health : retention.health();
    },
  });

  return {
    ...lifecycle,
    declare,
    find,
    head: store.head,
    positionBefore: async (name, timeMs) => store.positionBefore(await find(name), timeMs),
    readKey: async (name, of, { after = POSITION_MIN, limit }) =>
      store.readKey(await find(name), of, after, limit),
    tail,
    follow(definitions, { onEvents, ...followOptions }) {
      const read = createEventReader(definitions);
      return tail(streamOf(definitions), {
        ...followOptions,
        onEvents(events) {
          const typed = read(events);
          return typed.length > 0 ? onEvents(typed) : undefined;
        },
      });
    },
    createConsumer: consumer,
    group: (name, group) =>
      createGroup(group, () => find(name), { clock, store, refresh: () => refresh(name, group) }),
    groups: store.groups,
    append: store.append,
    appended(grown) {
      heads.grown(grown);
      if (grown.length === 0) return;
      wakeups.notify('log', new Map(grown.map(({ streamId, position }) => [String(streamId), position])));
    },
    missed() {
      heads.missed();
      wakeups.notify('log');
    },
    maintain: retention.maintain,
  };

  /** Consumers in other processes look again at their next beat. */
  function refresh(name: string, group: string): void {
    for (const each of consumers) if (each.stream === name && each.group === group) each.refresh();
  }
}

function createGroup(
  group: string,
  find: () => Promise<StreamInfo>,
  { clock, store, refresh }: { clock: Clock; store: StreamStore; refresh: () => void },
): Group {
  const aside = async () => store.aside(await find(), group);
  return {
    async look() {
      const stream = await find();
      const state = await store.group(stream, group).look();
      if (!state) return undefined;
      const cursors = state.partitions.map(({ partition, position }) => ({ partition, after: position }));
      const lag = await store.lag(stream, cursors, Math.ceil(LAG_EVENTS_MAX / stream.partitions));
      return {
        partitions: state.partitions.map(({ partition, position, holder, isExpired }) => ({
          partition,
          position,
          member: holder,
          isExpired,
        })),
        members: state.members.map(({ member }) => member),
        lagEvents: lag.events,
        oldestMs: lag.oldestMs,
      };
    },
    parked: async ({ after = POSITION_MIN, limit }) => (await aside()).parked(after, limit),
    async redrive(positions) {
      const count = await (await aside()).redrive(positions, clock.nowMs());
      refresh();
      return count;
    },
    async discard(positions) {
      const count = await (await aside()).discard(positions);
      refresh();
      return count;
    },
    async seek(position) {
      const stream = await find();
      if (position !== POSITION_MIN) await assertKept(store, stream, position);
      await store.group(stream, group).seek(position);
      refresh();
    },
  };
}
