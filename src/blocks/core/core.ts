/**
 * What systems stand on, put together: ids, the log, the queue, and the one call that writes to all of them, on one database.
 */
import { composeLifecycles, createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { MasterKey } from '#base/master-key';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Tracer } from '#base/trace';
import type { Database, MigrationSet } from '#blocks/database';
import {
  createIdempotency,
  type Idempotency,
  type IdempotencyOptions,
  idempotencyMigrations,
} from '#blocks/idempotency';
import { createIds, createPostgresWorkerLeases, type Ids, type IdsOptions, idsMigrations } from '#blocks/ids';
import { createLeader, createPostgresLeases, type LeaseStore, leasesMigrations } from '#blocks/leases';
import { createMutations, type MutationOptions, type Mutations } from '#blocks/mutation';
import { createOutbox, type Outbox, type OutboxOptions, outboxMigrations } from '#blocks/outbox';
import {
  createQueue,
  type Queue,
  type QueueDefinition,
  type QueueOptions,
  queueMigrations,
  type Schedule,
} from '#blocks/queue';
import {
  createPostgresStreams,
  createStreams,
  type StreamOptions,
  type Streams,
  streamMigrations,
} from '#blocks/stream';
import { createWakeups, type WakeupOptions, type Wakeups } from '#blocks/wakeup';

/** Those of its blocks, by their names in the configuration. */
export interface CoreOptions {
  wakeup: WakeupOptions;
  ids: IdsOptions;
  stream: StreamOptions;
  outbox: OutboxOptions;
  queue: QueueOptions;
  idempotency: IdempotencyOptions;
  mutation: MutationOptions;
}

export interface CoreDeps extends Runtime {
  metrics: Metrics;
  tracer: Tracer;
  masterKey: MasterKey;
  /** With `coreMigrations` among its migrations. To be started before, and stopped after. */
  database: Database;
  /** What is declared is made at the start, or found. */
  streams: readonly { name: string; partitions?: number }[];
  queues: readonly QueueDefinition[];
  schedules: readonly Schedule[];
  /** Which systems run here: of the processes that run the same, one carries out their schedules. */
  systems: readonly string[];
  /** Whether it campaigns for what one process does for all, such as the relay; default: yes. */
  isCandidate?: boolean;
}

/** Its lifecycle is that of all its parts; who needs only some may start those alone, in this order. */
export interface Core extends Lifecycle {
  readonly wakeups: Wakeups;
  readonly ids: Ids;
  readonly streams: Streams;
  readonly outbox: Outbox;
  readonly queue: Queue;
  readonly idempotency: Idempotency;
  readonly mutations: Mutations;
}

export const coreMigrations: readonly MigrationSet[] = [
  idsMigrations,
  leasesMigrations,
  streamMigrations,
  outboxMigrations,
  queueMigrations,
  idempotencyMigrations,
];

/** Which process looks after the queues. */
const QUEUE_LEASE = 'queue';

/** Makes the declared streams, or finds them. */
function createDeclarations(streams: Streams, declared: CoreDeps['streams']): Lifecycle {
  return createLifecycle('declarations', {
    async start() {
      for (const { name, partitions } of declared) await streams.declare(name, partitions);
    },
    async stop() {},
  });
}

/** The leases that this process campaigns for: none, if all it does is answer requests. */
function createLeading({ outbox }: CoreOptions, deps: CoreDeps, store: LeaseStore) {
  const { isCandidate = true, systems } = deps;
  const names = isCandidate ? [QUEUE_LEASE, `${QUEUE_LEASE}:${systems.toSorted().join(',')}`] : [];
  const campaigns = names.map((name) => createLeader(name, outbox, { ...deps, store }));
  const heldBy = (at: number) => ({ held: () => campaigns[at]?.current() !== undefined });
  return { campaigns, leader: heldBy(0), maintainer: heldBy(1) };
}

/** The parts of one process, on a database that is started. Its start makes what is declared; @throws stream_partitions_fixed. */
export function createCore(options: CoreOptions, deps: CoreDeps): Core {
  const { database, isCandidate = true, queues: definitions, schedules } = deps;
  const { core } = database;
  const wakeups = createWakeups(options.wakeup, deps);
  const ids = createIds(options.ids, { ...deps, store: createPostgresWorkerLeases(core) });
  const leases = createPostgresLeases(core);
  const given = { ...deps, wakeups, ids };
  const streams = createStreams(options.stream, { ...given, store: createPostgresStreams(core) });
  const outbox = createOutbox(options.outbox, { ...given, leases, streams, isCandidate });
  const { campaigns, ...leading } = createLeading(options, deps, leases);
  const queue = createQueue(options.queue, { ...given, ...leading, definitions, schedules });
  const idempotency = createIdempotency(options.idempotency, { ...deps, core });
  const whole = composeLifecycles('core', [
    wakeups,
    ids,
    streams,
    createDeclarations(streams, deps.streams),
    outbox,
    ...campaigns,
    queue,
    idempotency,
  ]);
  const mutations = createMutations(options.mutation, { ...deps, idempotency, outbox, queue });
  return { ...whole, wakeups, ids, streams, outbox, queue, idempotency, mutations };
}
