/**
 * What systems stand on: database, ids, the log, the queue and the one call that writes to all of them. The server has
 * its systems and its listener on top of it; commands that look at or repair data have it alone.
 */
import assert from 'node:assert/strict';
import type { Clock } from '#base/clock';
import { composeLifecycles, createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { MasterKey } from '#base/master-key';
import type { Metrics } from '#base/metrics';
import type { Random } from '#base/random';
import type { Tracer } from '#base/trace';
import {
  type Backups,
  backupMigrations,
  backupQueues,
  createBackups,
  describeMasterKey,
  findSource,
} from '#blocks/backup';
import { createDatabase, type Database, type MigrationSet } from '#blocks/database';
import { discoveryMigrations } from '#blocks/discovery';
import { createIdempotency, idempotencyMigrations } from '#blocks/idempotency';
import { identityMigrations } from '#blocks/identity';
import { createIds, createPostgresWorkerLeases, type Ids, idsMigrations } from '#blocks/ids';
import { createLeader, createPostgresLeases, type LeaseStore, leasesMigrations } from '#blocks/leases';
import { createMutations, type Mutations } from '#blocks/mutation';
import { createOutbox, type Outbox, outboxMigrations } from '#blocks/outbox';
import { createProjections, type Projections, projectionMigrations } from '#blocks/projection';
import { createQueue, type Queue, type QueueDefinition, queueMigrations, type Schedule } from '#blocks/queue';
import { createReferences, type References, referenceQueues, referenceSchedules } from '#blocks/references';
import { createPostgresStreams, createStreams, type Streams, streamMigrations } from '#blocks/stream';
import type { SystemDefinition } from '#blocks/system';
import { createXminWatch, telemetryMigrations, type XminWatch } from '#blocks/telemetry';
import { createWakeups } from '#blocks/wakeup';
import type { ServerOptions } from './options.ts';
import { VERSION } from './version.ts';

export interface CoreRuntimeDeps {
  clock: Clock;
  random: Random;
  log: Log;
  metrics: Metrics;
  tracer: Tracer;
  masterKey: MasterKey;
  dataDirectory: string;
  /** Whether this process runs the embedded Postgres, or uses the one that another runs; default: own. */
  embedded?: 'own' | 'join';
  report: (line: string) => void;
}

/** Its lifecycle is that of the parts which every command needs; the last three are started by whoever serves. */
export interface CoreRuntime extends Lifecycle {
  readonly database: Database;
  readonly ids: Ids;
  readonly streams: Streams;
  readonly outbox: Outbox;
  readonly queue: Queue;
  readonly mutations: Mutations;
  readonly projections: Projections;
  readonly references: References;
  readonly backups: Backups;
  readonly xminWatch: XminWatch;
}

/** Those of the blocks. */
export const OWN_MIGRATIONS: readonly MigrationSet[] = [
  idsMigrations,
  identityMigrations,
  leasesMigrations,
  streamMigrations,
  outboxMigrations,
  queueMigrations,
  idempotencyMigrations,
  projectionMigrations,
  telemetryMigrations,
  discoveryMigrations,
  backupMigrations,
];

/** Which process looks after the queues. */
const QUEUE_LEASE = 'queue';

/** Which of the processes that run the same systems carries out their schedules. */
function maintenanceLease(definitions: readonly SystemDefinition[]): string {
  const names = definitions.map(({ name }) => name).sort();
  return `queue:${names.join(',')}`;
}

export function migrationsOf(definitions: readonly SystemDefinition[]): MigrationSet[] {
  return definitions.flatMap(({ name, migrations }) =>
    migrations ? [{ room: name, schema: name, directory: migrations }] : [],
  );
}

function assertUnique(what: string, named: readonly { name: string }[]): void {
  const names = named.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  assert(twice === undefined, `two systems declare the ${what} ${twice}`);
}

/** The queues and schedules of all systems, and those that keep their references. */
function workOf(
  definitions: readonly SystemDefinition[],
  options: ServerOptions,
): { queues: QueueDefinition[]; schedules: Schedule[] } {
  const queues = [
    ...definitions.flatMap((definition) => definition.queues ?? []),
    ...backupQueues(options.backup),
  ];
  const schedules = definitions.flatMap((definition) => definition.schedules ?? []);
  if (definitions.some(({ references = [] }) => references.length > 0)) {
    queues.push(...referenceQueues);
    schedules.push(...referenceSchedules(options.references));
  }
  assertUnique('queue', queues);
  assertUnique('schedule', schedules);
  return { queues, schedules };
}

/** Makes the streams of the systems, or finds them. */
function createDeclarations(streams: Streams, definitions: readonly SystemDefinition[]): Lifecycle {
  const declared = definitions.flatMap((definition) => definition.streams ?? []);
  assertUnique('stream', declared);
  return createLifecycle('declarations', {
    async start() {
      for (const { name, partitions } of declared) await streams.declare(name, partitions);
    },
    async stop() {},
  });
}

function createBackupsOf(
  options: ServerOptions,
  deps: CoreRuntimeDeps & { database: Database; queue: Queue },
): Backups {
  const { dataDirectory, masterKey, random } = deps;
  return createBackups(options.backup, {
    ...deps,
    version: VERSION,
    source: () =>
      findSource(
        { primary: options.database.primary, dataDirectory },
        describeMasterKey(dataDirectory, masterKey, random),
      ),
  });
}

/** The leases that this process campaigns for: none, if all it does is answer requests. */
function createLeading(
  options: ServerOptions,
  definitions: readonly SystemDefinition[],
  { leases: store, ...deps }: Pick<CoreRuntimeDeps, 'clock' | 'random' | 'log'> & { leases: LeaseStore },
) {
  const isCandidate = options.role !== 'api';
  const names = isCandidate ? [QUEUE_LEASE, maintenanceLease(definitions)] : [];
  const campaigns = names.map((name) => createLeader(name, options.outbox, { ...deps, store }));
  const heldBy = (at: number) => ({ held: () => campaigns[at]?.current() !== undefined });
  return { isCandidate, campaigns, leader: heldBy(0), maintainer: heldBy(1) };
}

export function createCoreRuntime(
  options: ServerOptions,
  definitions: readonly SystemDefinition[],
  deps: CoreRuntimeDeps,
): CoreRuntime {
  const migrations = [...OWN_MIGRATIONS, ...migrationsOf(definitions)];
  const database = createDatabase(options.database, { ...deps, migrations });
  const { core } = database;
  const ids = createIds(options.ids, { ...deps, store: createPostgresWorkerLeases(core) });
  const wakeups = createWakeups(options.wakeup, { ...deps, database });
  const leases = createPostgresLeases(core);
  const given = { ...deps, database, wakeups };
  const streams = createStreams(options.stream, { ...given, store: createPostgresStreams(core) });
  const { campaigns, isCandidate, ...leading } = createLeading(options, definitions, { ...deps, leases });
  const outbox = createOutbox(options.outbox, { ...given, ids, leases, streams, isCandidate });
  const declared = definitions.flatMap((definition) => definition.references ?? []);
  const { queues, schedules } = workOf(definitions, options);
  const queue = createQueue(options.queue, {
    ...given,
    ids,
    ...leading,
    definitions: queues,
    schedules,
  });
  const idempotency = createIdempotency(options.idempotency, { ...deps, core });

  const mutations = createMutations(options.mutation, { ...deps, database, idempotency, outbox, queue });
  const references = createReferences(options.references, {
    ...deps,
    database,
    streams,
    queue,
    mutations,
    declared,
  });
  const projections = createProjections(options.projection, {
    ...deps,
    database,
    streams,
    definitions: definitions.flatMap((definition) => definition.projections ?? []),
  });

  const backups = createBackupsOf(options, { ...deps, database, queue });
  const whole = composeLifecycles('core runtime', [
    database,
    wakeups,
    ids,
    streams,
    createDeclarations(streams, definitions),
    outbox,
    ...campaigns,
    queue,
    idempotency,
  ]);
  return {
    ...whole,
    database,
    ids,
    streams,
    outbox,
    queue,
    mutations,
    projections,
    references,
    backups,
    xminWatch: createXminWatch(options.xmin, { ...deps, core }),
  };
}
