/**
 * All that a server has below the two systems, on one Postgres, and what its routes would do.
 */
import { systemClock } from '#base/clock';
import type { Lifecycle } from '#base/lifecycle';
import { createLog } from '#base/log';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { identifier, sql } from '#blocks/database';
import type { MutationTx } from '#blocks/mutation';
import { createWorker, type Job, queueOptions } from '#blocks/queue';
import { coreMigrations, startTestCore } from '#fixtures/core';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { type ReferencesOptions, referencesOptions } from './options.ts';
import { createReferences, type References, type ReferencesDeps, referenceQueues } from './references.ts';
import { referenceSchedules } from './sweep.ts';
import { declared, makeTables, personDeleted, type Table } from './systems.fixture.ts';

export const never = () => new AbortController().signal;

const STOP_MS_MAX = 10_000;
const LEASE_MS = 30_000;

/** Small, so that a few rows are many. No sweep comes by itself, but on a 29 February. */
const OPTIONS = { batchMax: 10, batchesPerJob: 4, pageMax: 7, pagesPerJob: 2, sweepPattern: '0 0 29 2 *' };

/** Called within a mutation, between its question and its write. */
type Pause = (tx: MutationTx) => Promise<unknown>;
const goOn: Pause = async () => {};

interface DeleteOptions {
  workspaceId?: string;
  pause?: Pause;
  traceparent?: string;
  asks?: boolean;
}

export interface Ground {
  it: TestDatabase;
  references: References;
  options: ReferencesOptions;
  deps: ReferencesDeps;
  /** The references' log, as it was written. */
  lines: Record<string, unknown>[];
  enqueue: ReferencesDeps['queue']['enqueueGrouped'];
  drain(queueName: string): Promise<number>;
  /** Runs a worker until it is stopped. */
  startWorker(leaseMs?: number): Promise<Lifecycle>;
  addPerson(workspaceId?: string, personId?: string): Promise<string>;
  /** Without `asks` it does not ask whether the person is free. */
  deletePerson(personId: string, given?: DeleteOptions): Promise<void>;
  /** A row that refers to the person, as a route would write it; gives its id. */
  refer(table: Table, personId: string, given?: { workspaceId?: string; pause?: Pause }): Promise<string>;
  repoint(table: Table, rowId: string, personId: string, pause?: Pause): Promise<void>;
  /** Rows that refer to the person, written past every rule, in the buckets 1 to 3. */
  plant(table: Table, personId: string, count: number, workspaceId?: string): Promise<void>;
  count(table: Table, personId: string, workspaceId?: string): Promise<number>;
  stop(): Promise<void>;
}

async function startParts(it: TestDatabase) {
  const { database, metrics } = it;
  const lines: Record<string, unknown>[] = [];
  const log = createLog(
    { level: 'debug', service: 'test' },
    { write: (line) => void lines.push(JSON.parse(line)) },
  );
  const options = parseOptions(referencesOptions, OPTIONS);
  const core = await startTestCore(it, {
    log,
    options: { queue: { backoffBaseMs: 20 } },
    streams: [{ name: 'people' }, { name: 'feed' }],
    queues: referenceQueues,
    schedules: referenceSchedules(options),
  });
  const { ids, streams, queue, mutations } = core;
  const deps = { log, metrics, database, streams, queue, mutations, declared: Object.values(declared) };
  const references = createReferences(options, deps);
  await references.start(never());
  return { core, ids, queue, references, options, deps, lines };
}

export async function startGround(): Promise<Ground> {
  const it = await startTestDatabase({ migrations: coreMigrations });
  await makeTables(it.admin);
  const { ids, queue, references, options, deps, lines, core } = await startParts(it);
  return {
    ...{ it, references, options, deps, lines, enqueue: queue.enqueueGrouped },
    ...createActions(it, { references, mutations: deps.mutations, nextId: () => ids.next(1) }),
    drain: (name) => queue.inspection.drain(name, never()),
    async startWorker(leaseMs = LEASE_MS) {
      const queues = Object.fromEntries(referenceQueues.map(({ name }) => [name, { concurrency: 2 }]));
      const tuning = { ...parseOptions(queueOptions, { leaseMs }), queues };
      const common = { clock: systemClock, random: systemRandom, log: deps.log };
      const worker = createWorker(tuning, { ...common, queue, handlers: references.handlers });
      await worker.start(never());
      return worker;
    },
    async stop() {
      await references.stop(AbortSignal.timeout(STOP_MS_MAX));
      await core.stop();
      await it.stop();
    },
  };
}

interface ActionDeps {
  references: References;
  mutations: ReferencesDeps['mutations'];
  nextId: () => string;
}

/** What the routes of the two systems do. */
function createActions({ admin }: TestDatabase, { references, mutations, nextId }: ActionDeps) {
  async function mutate(
    {
      system,
      workspaceId,
      traceparent,
    }: { system: string; workspaceId: string; traceparent?: string | undefined },
    rule: (tx: MutationTx) => Promise<unknown>,
  ): Promise<void> {
    const placement = { system, workspaceId, bucket: 1 };
    await mutations.write({ placement, traceparent, signal: never() }, rule);
  }

  const rowsOf = (table: Table) => identifier(`feed.${table}`);

  return {
    async addPerson(workspaceId = '1', personId = nextId()) {
      await admin.run(
        sql`insert into people.people (workspace_id, person_id) values (${workspaceId}, ${personId})`,
      );
      return personId;
    },
    async deletePerson(
      personId: string,
      { workspaceId = '1', pause = goOn, traceparent, asks = true }: DeleteOptions = {},
    ) {
      await mutate({ system: 'people', workspaceId, traceparent }, async (tx) => {
        if (asks) await references.assertFree(tx, 'people', workspaceId, [personId]);
        await pause(tx);
        const deleted = await tx.run(sql`
          delete from people.people where workspace_id = ${workspaceId} and person_id = ${personId}`);
        if (deleted > 0) tx.publish(personDeleted.of({ personId }));
      });
    },
    async refer(
      table: Table,
      personId: string,
      { workspaceId = '1', pause = goOn }: { workspaceId?: string; pause?: Pause } = {},
    ) {
      const rowId = nextId();
      await mutate({ system: 'feed', workspaceId }, async (tx) => {
        await references.assertLiving(tx, declared[table].name, workspaceId, [personId]);
        await pause(tx);
        await tx.run(sql`
          insert into ${rowsOf(table)} (row_id, workspace_id, bucket, person_id)
          values (${rowId}, ${workspaceId}, ${tx.bucket}, ${personId})`);
      });
      return rowId;
    },
    async repoint(table: Table, rowId: string, personId: string, pause = goOn) {
      await mutate({ system: 'feed', workspaceId: '1' }, async (tx) => {
        await references.assertLiving(tx, declared[table].name, '1', [personId]);
        await pause(tx);
        await tx.run(sql`update ${rowsOf(table)} set person_id = ${personId} where row_id = ${rowId}`);
      });
    },
    async plant(table: Table, personId: string, count: number, workspaceId = '1') {
      const rowIds = Array.from({ length: count }, nextId);
      await admin.run(sql`
        insert into ${rowsOf(table)} (row_id, workspace_id, bucket, person_id)
        select row_id, ${workspaceId}, 1 + row_number() over () % 3, ${personId}
        from unnest(${rowIds}::bigint[]) as planted (row_id)`);
    },
    async count(table: Table, personId: string, workspaceId = '1') {
      const row = await admin.first<{ n: string }>(sql`
        select count(*) as n from ${rowsOf(table)}
        where workspace_id = ${workspaceId} and person_id = ${personId}`);
      return Number(row?.n);
    },
  };
}

/** A job in a hand of the test's own. */
export function handJob(
  payload: Job['payload'],
  { signal = never(), onProgress = () => {} }: { signal?: AbortSignal; onProgress?: () => void } = {},
): Job {
  return {
    ...{ jobId: '1', workspaceId: '1', bucket: 1, queue: 'reference_cascade', payload, signal },
    ...{ attempt: 1, attemptsMax: 10, traceparent: undefined, idempotencyToken: 'job-1' },
    heartbeat: () => signal.throwIfAborted(),
    progress: onProgress,
  };
}
