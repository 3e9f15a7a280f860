/**
 * What systems stand on: database, ids, the log, the queue and the one call that writes to all of them. The server has
 * its systems and its listener on top of it; commands that look at or repair data have it alone.
 */
import assert from 'node:assert/strict';
import type { Clock } from '#base/clock';
import { composeLifecycles, createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { MasterKey } from '#base/master-key';
import type { Random } from '#base/random';
import type { Signals } from '#base/signals';
import type { Tracer } from '#base/trace';
import { createDatabase, type Database, type MigrationSet } from '#blocks/database';
import { createIdempotency, idempotencyMigrations } from '#blocks/idempotency';
import { identityMigrations } from '#blocks/identity';
import { createIds, createPostgresWorkerLeases, type Ids, idsMigrations } from '#blocks/ids';
import { createLeader, createPostgresLeases, leasesMigrations } from '#blocks/leases';
import { createMutations, type Mutations } from '#blocks/mutation';
import { createOutbox, type Outbox, outboxMigrations } from '#blocks/outbox';
import { createProjections, type Projections, projectionMigrations } from '#blocks/projection';
import { createQueue, type Queue, type QueueDefinition, queueMigrations, type Schedule } from '#blocks/queue';
import { createReferences, type References, referenceQueues, referenceSchedules } from '#blocks/references';
import { createPostgresStreams, createStreams, type Streams, streamMigrations } from '#blocks/stream';
import type { SystemDefinition } from '#blocks/system';
import { createXminWatch, telemetryMigrations, type XminWatch } from '#blocks/telemetry';
import type { ServerOptions } from './options.ts';

export interface GroundDeps {
  clock: Clock;
  random: Random;
  log: Log;
  signals: Signals;
  tracer: Tracer;
  masterKey: MasterKey;
  dataDirectory: string;
  report: (line: string) => void;
}

/** Its lifecycle is that of the parts which every command needs; the last three are started by whoever serves. */
export interface Ground extends Lifecycle {
  readonly database: Database;
  readonly ids: Ids;
  readonly streams: Streams;
  readonly outbox: Outbox;
  readonly queue: Queue;
  readonly mutations: Mutations;
  readonly projections: Projections;
  readonly references: References;
  readonly xminWatch: XminWatch;
}

const OWN_MIGRATIONS: readonly MigrationSet[] = [
  idsMigrations,
  identityMigrations,
  leasesMigrations,
  streamMigrations,
  outboxMigrations,
  queueMigrations,
  idempotencyMigrations,
  projectionMigrations,
  telemetryMigrations,
];

/** Which process looks after the queues and carries out schedules. */
const QUEUE_LEASE = 'queue';

function migrationsOf(definitions: readonly SystemDefinition[]): MigrationSet[] {
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
  const queues = definitions.flatMap((definition) => definition.queues ?? []);
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

export function createGround(
  options: ServerOptions,
  definitions: readonly SystemDefinition[],
  deps: GroundDeps,
): Ground {
  const migrations = [...OWN_MIGRATIONS, ...migrationsOf(definitions)];
  const database = createDatabase(options.database, { ...deps, migrations });
  const { core } = database;
  const ids = createIds(options.ids, { ...deps, store: createPostgresWorkerLeases(core) });
  const leases = createPostgresLeases(core);
  const streams = createStreams(options.stream, { ...deps, database, store: createPostgresStreams(core) });
  const outbox = createOutbox(options.outbox, { ...deps, database, ids, leases, streams });
  const leader = createLeader(QUEUE_LEASE, options.outbox, { ...deps, store: leases });
  const declared = definitions.flatMap((definition) => definition.references ?? []);
  const { queues, schedules } = workOf(definitions, options);
  const queue = createQueue(options.queue, {
    ...deps,
    database,
    ids,
    leader: { held: () => leader.current() !== undefined },
    definitions: queues,
    schedules,
  });
  const idempotency = createIdempotency(options.idempotency, { ...deps, core });

  const mutations = createMutations({ database, idempotency, outbox, queue });
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

  const whole = composeLifecycles('ground', [
    database,
    ids,
    streams,
    createDeclarations(streams, definitions),
    outbox,
    leader,
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
    xminWatch: createXminWatch(options.xmin, { ...deps, core }),
  };
}
