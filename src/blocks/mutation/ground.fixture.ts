/**
 * Everything that a server has below its routes, on one Postgres.
 */
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMasterKey } from '#base/master-key';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createTracer } from '#base/trace';
import type { Database } from '#blocks/database';
import { createIdempotency, idempotencyMigrations, idempotencyOptions } from '#blocks/idempotency';
import { createIds, createPostgresWorkerLeases, idsMigrations, idsOptions } from '#blocks/ids';
import { createPostgresLeases, leasesMigrations } from '#blocks/leases';
import { createOutbox, outboxMigrations, outboxOptions } from '#blocks/outbox';
import { createQueue, queueMigrations, queueOptions } from '#blocks/queue';
import { createPostgresStreams, createStreams, streamMigrations, streamOptions } from '#blocks/stream';
import type { TestDatabase } from '#fixtures/database';
import { createMutations } from './mutation.ts';
import { type MutationOptions, mutationOptions } from './options.ts';
import type { Mutation } from './request.ts';

export const groundMigrations = [
  ...[idsMigrations, leasesMigrations, streamMigrations, outboxMigrations, queueMigrations],
  idempotencyMigrations,
];

export const never = () => new AbortController().signal;

export type TestGround = Awaited<ReturnType<typeof startGround>>;

export async function startGround(
  { database, metrics }: Pick<TestDatabase, 'database' | 'metrics'>,
  options: Partial<MutationOptions> = {},
  /** Whether its relay may be the one that moves events to the log. */
  isCandidate = true,
) {
  const tracer = createTracer(systemRandom);
  const common = { clock: systemClock, random: systemRandom, log: silentLog, metrics, tracer, database };
  const ids = createIds(parseOptions(idsOptions, {}), {
    ...common,
    store: createPostgresWorkerLeases(database.core),
  });
  const leases = createPostgresLeases(database.core);
  const streams = createStreams(parseOptions(streamOptions, {}), {
    ...common,
    store: createPostgresStreams(database.core),
  });
  const outbox = createOutbox(parseOptions(outboxOptions, {}), {
    ...common,
    ids,
    leases,
    streams,
    isCandidate,
  });
  const queue = createQueue(parseOptions(queueOptions, {}), {
    ...common,
    ids,
    leader: { held: () => true },
    maintainer: { held: () => true },
    definitions: [{ name: 'mail' }, { name: 'small', waitingMax: 1 }],
    schedules: [],
  });
  const masterKey = createMasterKey(Buffer.alloc(32, 7), systemRandom);
  const idempotency = createIdempotency(parseOptions(idempotencyOptions, {}), {
    ...common,
    masterKey,
    core: database.core,
  });
  const parts = [ids, streams, outbox, queue, idempotency];
  for (const part of parts) await part.start(never());
  await streams.declare('things');
  return {
    mutations: createMutations(parseOptions(mutationOptions, options), {
      ...common,
      database: database as Pick<Database, 'transact'>,
      idempotency,
      outbox,
      queue,
    }),
    ids,
    streams,
    queue,
    async stop() {
      for (const part of parts.toReversed()) await part.stop(never());
    },
  };
}

/** A mutation of workspace 1, with a key or without. */
export function mutationOf(key?: string, body: unknown = {}): Mutation {
  const keyed = { keyId: 'root', route: 'POST /v1/things', path: '/v1/things', body };
  return {
    placement: { system: 'test', workspaceId: '1', shardKey: 'x' },
    keyed: key === undefined ? undefined : { ...keyed, key },
    traceparent: undefined,
    signal: never(),
  };
}
