/**
 * A look into the database of a drill once its load has ended: whether all has come to rest, and what is there.
 */
import { type Clock, systemClock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { composeLifecycles } from '#base/lifecycle';
import { createLog } from '#base/log';
import { deferMasterKey } from '#base/master-key';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createTracer } from '#base/trace';
import type { Verification } from '#blocks/projection';
import type { StoredJob } from '#blocks/queue';
import { POSITION_MIN, parseEventType, readLog } from '#blocks/stream';
import { type CoreRuntime, createCoreRuntime } from '#server/core-runtime';
import { type ServerOptions, serverOptions } from '#server/options';
import { loadSystems } from '#server/systems/systems';
import { drillErrors } from './errors.ts';
import { waitUntil } from './wait.ts';

export interface Inspection {
  /** Waits until no event is on its way, and no job but those `apart`. @throws drill_not_quiet */
  untilQuiet(apart: ReadonlySet<string>, boundMs: number): Promise<void>;
  /** The types of the events of each key of a stream, in their order. */
  eventsOf(stream: string): Promise<Map<string, string[]>>;
  /** Of all jobs that there are or have been. */
  jobIds(): Promise<Set<string>>;
  /** How many jobs of the queue are in each state, without those `apart`. */
  jobsOf(queue: string, apart: ReadonlySet<string>): Promise<Map<StoredJob['state'], number>>;
  verify(): Promise<Verification[]>;
  close(): Promise<void>;
}

/** What a topology says of itself. */
export interface Inspected {
  /** Of the drill. */
  directory: string;
  /** As in the option `systems`; paths are absolute. */
  systems: readonly string[];
}

const STOP_MS_MAX = 10_000;
const PAGE = 1000;
const VERIFY_MS_MAX = 60_000;

/** Without the relay and the workers of a server: what these have left undone must be seen. */
async function openGround(
  url: string,
  { directory, systems }: Inspected,
  signal: AbortSignal,
): Promise<CoreRuntime> {
  const options = parseOptions(serverOptions, {
    database: { primary: url, startTimeoutMs: 10_000 },
  }) as ServerOptions;
  return createCoreRuntime(options, await loadSystems(systems, directory), {
    clock: systemClock,
    random: systemRandom,
    log: createLog({ level: 'fatal', service: 'drill' }, { write: () => {} }),
    metrics: createMetrics(),
    tracer: createTracer(systemRandom),
    masterKey: deferMasterKey().masterKey,
    dataDirectory: directory,
    report: () => signal.throwIfAborted(),
  });
}

type JobFilter = Omit<Parameters<CoreRuntime['queue']['inspection']['list']>[0], 'limit' | 'beforeId'>;

/** All of them, newest first. */
async function* readJobs({ queue }: CoreRuntime, filter: JobFilter): AsyncGenerator<StoredJob> {
  for (let beforeId: string | undefined; ; ) {
    const page = await queue.inspection.list({ ...filter, beforeId, limit: PAGE });
    yield* page;
    beforeId = page.at(-1)?.jobId;
    if (page.length < PAGE) return;
  }
}

/** What is on its way; undefined where nothing is. */
async function findUnrest(
  coreRuntime: CoreRuntime,
  apart: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { streams, projections } = coreRuntime;
  for (const { stream, group } of await streams.groups()) {
    const overview = await streams.group(stream, group).look();
    if ((overview?.lagEvents ?? 0) > 0) return `${group} is ${overview?.lagEvents} events behind`;
  }
  for (const state of ['ready', 'scheduled', 'held', 'running'] as const) {
    for await (const { jobId, queue } of readJobs(coreRuntime, { state })) {
      if (!apart.has(jobId)) return `job ${jobId} of ${queue} is ${state}`;
    }
  }
  for (const name of projections.definitions.keys()) {
    const { eventsPending } = await projections.verify(name, { signal });
    if (eventsPending > 0) return `${eventsPending} events of ${name} are on their way`;
  }
  return undefined;
}

const READ_BOUND = { eventsMax: 1000, bytesMax: 4_194_304 };

/** Up to the newest of the log, which may be another stream's: a tail would wait for one of this stream there. */
async function readEvents(
  { database, streams }: CoreRuntime,
  stream: string,
  signal: AbortSignal,
): Promise<Map<string, string[]>> {
  const types = new Map<string, string[]>();
  const { streamId, partitions } = await streams.find(stream);
  const until = await streams.head();
  for (let after = POSITION_MIN; ; ) {
    signal.throwIfAborted();
    const cursors = Array.from({ length: partitions }, (_, partition) => ({ partition, after }));
    const { events, isWhole } = await readLog(database.core, streamId, { cursors, until }, READ_BOUND);
    for (const { key, type: written, position } of events) {
      const { name: type } = parseEventType(written);
      const before = types.get(key);
      if (before) before.push(type);
      else types.set(key, [type]);
      after = position;
    }
    if (isWhole || events.length === 0) return types;
  }
}

export async function openInspection(
  url: string,
  inspected: Inspected,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<Inspection> {
  const coreRuntime = await openGround(url, inspected, signal);
  const parts = composeLifecycles('inspection', [coreRuntime.database, coreRuntime.streams]);
  await parts.start(signal);

  return {
    async untilQuiet(apart, boundMs) {
      let reason: string | undefined;
      await waitUntil(
        'nothing is on its way',
        async () => {
          reason = await findUnrest(coreRuntime, apart, signal);
          if (reason !== undefined) throw new Error(reason);
          return true;
        },
        { clock, signal, boundMs, late: (detail) => drillErrors.drill_not_quiet({ detail }) },
      );
    },
    eventsOf: (stream) => readEvents(coreRuntime, stream, signal),
    async jobIds() {
      const ids = new Set<string>();
      for await (const { jobId } of readJobs(coreRuntime, {})) ids.add(jobId);
      return ids;
    },
    async jobsOf(queue, apart) {
      const counts = new Map<StoredJob['state'], number>();
      for await (const { jobId, state } of readJobs(coreRuntime, { queue })) {
        if (!apart.has(jobId)) counts.set(state, (counts.get(state) ?? 0) + 1);
      }
      return counts;
    },
    async verify() {
      const deadline = createDeadline(clock, VERIFY_MS_MAX, signal);
      const names = [...coreRuntime.projections.definitions.keys()];
      const options = { signal: deadline.signal };
      return Promise.all(names.map((name) => coreRuntime.projections.verify(name, options))).finally(
        deadline.done,
      );
    },
    async close() {
      const deadline = createDeadline(clock, STOP_MS_MAX);
      await parts.stop(deadline.signal).finally(deadline.done);
    },
  };
}
