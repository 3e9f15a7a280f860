/**
 * What the blocks under a system can do, called from this process: it has a core of its own, and Postgres the others.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import Type from 'typebox';
import { createDeadline, withSignal } from '#base/deadline';
import { composeLifecycles } from '#base/lifecycle';
import { silentLog } from '#base/log';
import { optionsSchema } from '#base/options';
import type { Runtime } from '#base/runtime';
import { sql } from '#blocks/database';
import type { BlockCapacity, BlockName } from '#blocks/plan';
import { createWorker, defineQueue, handlerOf } from '#blocks/queue';
import { createEventReader, defineEvent } from '#blocks/stream';
import { defineSystem, type SystemDefinition } from '#blocks/system';
import type { CoreRuntime } from '#server/core-runtime';
import { readConfiguration } from '../config.ts';
import { createInstallation } from '../installation.ts';
import { type Cores, cpuMsOfPostgres, pinSelf } from './cores.ts';
import type { Quiet } from './quiet.ts';
import { BUSY_CONCURRENCY_MIN, fitOrNull } from './routes.ts';
import type { Speed } from './speed.ts';

export interface BlocksDeps extends Pick<Runtime, 'clock' | 'random'> {
  signal: AbortSignal;
  cores: Cores | undefined;
}

/** One way to use a block: a call, and how many things it has done by then. */
type Call = () => Promise<number>;

const NAME = 'calibration';
const PLACEMENT = { workspaceId: '1', bucket: 0 };
const ROWS = 1000;
const JOB_CONCURRENCY = 64;
/** Of one mutation. */
const EVENTS = 20;
/** What a call may take beyond the time it is measured for. */
const CALL_MS_MAX = 20_000;
const STOP_MS_MAX = 20_000;
const MIGRATION = `
create table calibration.notes (
  id bigint primary key,
  workspace_id bigint not null,
  bucket smallint not null,
  note text not null
);
`;

const jobs = defineQueue(NAME, Type.String());
const noteMade = defineEvent('note.made', Type.Object({ name: Type.String(), key: Type.String() }), {
  stream: NAME,
  key: ({ key }) => key,
});

/** A system that only has a table, a stream and a queue. */
function createSystem(directory: string): SystemDefinition {
  const migrations = join(directory, 'migrations');
  mkdirSync(migrations, { recursive: true });
  writeFileSync(join(migrations, '0001_notes.sql'), MIGRATION);
  return defineSystem({
    name: NAME,
    summary: 'What a calibration reads and writes.',
    options: optionsSchema({}),
    migrations: pathToFileURL(`${migrations}/`),
    streams: [{ name: NAME }],
    queues: [jobs],
    create: () => ({ routes: [] }),
  });
}

/** Things that are waited for, by a name. */
function createExpected() {
  const waiting = new Map<string, { left: Set<string>; resolve: () => void }>();
  return {
    /** Resolves when all the parts have been seen. */
    expect(name: string, parts: readonly string[]): Promise<void> {
      return new Promise((resolve) => waiting.set(name, { left: new Set(parts), resolve }));
    },
    /** A part may be seen more than once. */
    seen(name: string, part: string): void {
      const expected = waiting.get(name);
      if (!expected?.left.delete(part) || expected.left.size > 0) return;
      waiting.delete(name);
      expected.resolve();
    },
  };
}

interface Stage {
  coreRuntime: CoreRuntime;
  deps: BlocksDeps;
  /** What is to be stopped before the core runtime is. */
  stopping: ((deadline: AbortSignal) => Promise<void>)[];
}

function createInserts({ coreRuntime, deps }: Stage): Call {
  const { signal } = deps;
  return async () => {
    const id = coreRuntime.ids.next(PLACEMENT.bucket);
    await coreRuntime.database.transact({ system: NAME, ...PLACEMENT }, { signal, role: 'app' }, (tx) =>
      tx.run(sql`
        insert into calibration.notes (id, workspace_id, bucket, note)
        values (${id}, ${PLACEMENT.workspaceId}, ${PLACEMENT.bucket}, ${'a note of some forty characters, or so'})`),
    );
    return 1;
  };
}

async function createReads(stage: Stage): Promise<Call> {
  const { core } = stage.coreRuntime.database;
  const insert = createInserts(stage);
  await Promise.all(Array.from({ length: ROWS }, insert));
  const rows = await core.rows<{ id: string }>(sql`select id from calibration.notes`);
  let at = 0;
  return async () => {
    at = (at + 1) % rows.length;
    await core.first(sql`select note from calibration.notes where id = ${rows[at]?.id ?? '0'}`);
    return 1;
  };
}

async function createJobs({ coreRuntime, deps, stopping }: Stage, options: WorkerPace): Promise<Call> {
  const { clock, random, signal } = deps;
  const { queue } = coreRuntime;
  const expected = createExpected();
  const worker = createWorker(
    { ...options, queues: { [NAME]: { concurrency: JOB_CONCURRENCY } } },
    {
      ...{ clock, random, log: silentLog, queue },
      handlers: { [NAME]: handlerOf(jobs, async ({ payload }) => expected.seen(payload, '')) },
    },
  );
  await worker.start(signal);
  stopping.push(worker.stop);
  let count = 0;
  return async () => {
    const name = String(count++);
    const done = expected.expect(name, ['']);
    await queue.enqueueGrouped(PLACEMENT, [jobs.job(name)], { signal });
    await done;
    return 1;
  };
}

async function createEvents({ coreRuntime, deps, stopping }: Stage): Promise<Call> {
  const { signal } = deps;
  const expected = createExpected();
  const read = createEventReader([noteMade]);
  const consumer = coreRuntime.streams.createConsumer(
    { stream: NAME, group: NAME },
    {
      async handler(events) {
        for (const { payload } of read(events)) expected.seen(payload.name, payload.key);
      },
    },
  );
  await consumer.start(signal);
  stopping.push(consumer.stop);
  let count = 0;
  return async () => {
    const name = String(count++);
    const keys = Array.from({ length: EVENTS }, (_, i) => `${name}-${i}`);
    const done = expected.expect(name, keys);
    const placement = { system: NAME, workspaceId: PLACEMENT.workspaceId, shardKey: name };
    await coreRuntime.mutations.write({ placement, traceparent: undefined, signal }, async (tx) => {
      for (const key of keys) tx.publish(noteMade.of({ name, key }));
    });
    await done;
    return EVENTS;
  };
}

/** So many callers, each of which calls again as soon as it has been answered. @returns things done in a second */
export async function runLanes(
  call: Call,
  callers: number,
  durationMs: number,
  { clock, signal }: Pick<BlocksDeps, 'clock' | 'signal'>,
): Promise<{ done: number; perS: number }> {
  const beganMs = clock.monotonicMs();
  const deadline = createDeadline(clock, durationMs + CALL_MS_MAX, signal);
  let done = 0;
  async function lane(): Promise<void> {
    while (clock.monotonicMs() - beganMs < durationMs) {
      const count = await withSignal(call(), deadline.signal);
      done += count;
    }
  }
  await Promise.all(Array.from({ length: callers }, lane)).finally(deadline.done);
  return { done, perS: (done / (clock.monotonicMs() - beganMs)) * 1000 };
}

function readPostmaster(data: string): number {
  return Number(readFileSync(join(data, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

async function measureBlock(
  name: BlockName,
  call: Call,
  { pace, quiet, deps, data }: { pace: Speed; quiet: Quiet; deps: BlocksDeps; data: string },
): Promise<BlockCapacity> {
  const { pointMs, callers } = pace;
  await runLanes(call, callers.at(-1) ?? 1, pointMs, deps);
  const postmaster = readPostmaster(data);
  const points = [];
  const used = { done: 0, ownUs: 0, postgresMs: 0 };
  for (const concurrency of callers) {
    const { ran, ownUs, postgresMs } = await quiet.run(name, async () => {
      const before = { own: process.cpuUsage(), postgresMs: cpuMsOfPostgres(postmaster) };
      const lanes = await runLanes(call, concurrency, pointMs, deps);
      const { user, system } = process.cpuUsage(before.own);
      return {
        ran: lanes,
        ownUs: user + system,
        postgresMs: cpuMsOfPostgres(postmaster) - before.postgresMs,
      };
    });
    points.push({ concurrency, perS: ran.perS });
    if (concurrency < BUSY_CONCURRENCY_MIN) continue;
    used.done += ran.done;
    used.ownUs += ownUs;
    used.postgresMs += postgresMs;
  }
  return {
    perS: Math.max(...points.map(({ perS }) => perS)),
    serverCpuUs: used.ownUs / used.done,
    postgresCpuUs: (used.postgresMs * 1000) / used.done,
    points,
    scalability: fitOrNull(points),
  };
}

type WorkerPace = Awaited<ReturnType<typeof readConfiguration>>['options']['queue'];

/** Until this process relays: the lease of the server that was stopped has been given back, or ends. */
async function untilRelayed(events: Call, { clock, signal }: BlocksDeps): Promise<void> {
  const deadline = createDeadline(clock, CALL_MS_MAX, signal);
  await withSignal(events(), deadline.signal).finally(deadline.done);
}

/**
 * Measures on the database that a stopped server has left.
 * @param place the data directory, and one for a migration and an empty loadstone.yaml
 */
export async function measureBlocks(
  place: { data: string; directory: string },
  { pace, quiet }: { pace: Speed; quiet: Quiet },
  deps: BlocksDeps,
): Promise<Record<BlockName, BlockCapacity>> {
  const { clock, random, signal, cores } = deps;
  const config = join(place.directory, 'blocks.yaml');
  writeFileSync(config, '');
  const configuration = await readConfiguration({ data: place.data, config }, {});
  const definitions = [createSystem(place.directory)];
  const coreRuntime = createInstallation(
    { ...configuration, definitions },
    { kind: 'stopped' },
    { clock, random, log: silentLog, report: () => {} },
  );
  const { database, ids, streams, outbox, queue } = coreRuntime;
  const parts = composeLifecycles('calibration', [database, ids, streams, outbox, queue]);
  const stopping: Stage['stopping'] = [];
  const stage = { coreRuntime, deps, stopping };
  try {
    // Postgres stays on the cores on which it is started.
    if (cores) pinSelf(cores.server);
    await coreRuntime.database.start(signal).finally(() => cores && pinSelf([cores.generator]));
    await parts.start(signal);
    await coreRuntime.streams.declare(NAME);
    const measure = (name: BlockName, call: Call) =>
      measureBlock(name, call, { pace, quiet, deps, data: place.data });
    const pointReads = await measure('pointReads', await createReads(stage));
    const inserts = await measure('inserts', createInserts(stage));
    const jobs = await measure('jobs', await createJobs(stage, configuration.options.queue));
    const events = await createEvents(stage);
    await untilRelayed(events, deps);
    return { jobs, events: await measure('events', events), pointReads, inserts };
  } finally {
    const deadline = createDeadline(clock, STOP_MS_MAX);
    for (const stop of stopping.toReversed()) await stop(deadline.signal);
    await parts.stop(deadline.signal).finally(deadline.done);
  }
}
