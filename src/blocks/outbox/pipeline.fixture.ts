/**
 * Whole pipelines for tests: processes, each with an outbox, its relay, and consumers, on one real Postgres. Every process
 * has a clock and a line to the database of its own, so that it can be frozen, cut off, or have its answers lost.
 */
import { createManualClock, type ManualClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics, type Metrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { seededRandom } from '#base/random';
import { createTracer } from '#base/trace';
import { type Database, databaseErrors, type Queryable, sql } from '#blocks/database';
import { idsMigrations } from '#blocks/ids';
import { createPostgresLeases, leasesMigrations } from '#blocks/leases';
import {
  type Consumer,
  type ConsumerDefinition,
  createPostgresStreams,
  createStreams,
  type Handler,
  type StreamStore,
  type Streams,
  streamMigrations,
  streamOptions,
} from '#blocks/stream';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { outboxMigrations } from './migrations.ts';
import { outboxOptions } from './options.ts';
import { createOutbox, type Outbox, type OutboxDeps } from './outbox.ts';

/**
 * What becomes of a transaction. `fail`: it never reaches the database. `lost`: it is committed, but the process is not
 * told. `late`: the same, and it is committed only after a while. `before`: it is held up on its way. `inside`: it is held
 * up when all but the commit has been done.
 */
export type Fate = 'fail' | 'lost' | 'late' | 'before' | 'inside';

/** The way of one process to the database. */
export interface Line {
  /** The next transactions of the relay, or of the consumers, come to this; none: all goes well. */
  plan(of: 'outbox' | 'stream', fates: readonly Fate[]): void;
  /** Lets go on what is held up. */
  release(): void;
  /** The same, and from now on all goes well. */
  calm(): void;
  /** Nothing gets through any more: the process has been killed. */
  cut(): void;
  /** The codes of what transactions of the relay have failed with, since this was last asked. */
  takeFailures(): string[];
  /** When what was late has come through, or never will. */
  settled(): Promise<unknown>;
}

interface Gate {
  held: Promise<void>;
  open(): void;
}

function createGate(): Gate {
  let open = () => {};
  const held = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { held, open };
}

type LinkedDatabase = Pick<Database, 'transact' | 'core'>;

function connect(database: Database): { line: Line; database: LinkedDatabase } {
  const fates = { outbox: [] as Fate[], stream: [] as Fate[] };
  const gates = new Set<Gate>();
  const late: Promise<unknown>[] = [];
  const failures: string[] = [];
  let isCut = false;
  let isCalm = false;

  function assertUncut(): void {
    if (isCut) throw databaseErrors.database_unavailable({ detail: 'the process has been killed' });
  }

  async function holdUp(): Promise<void> {
    if (isCalm) return;
    const gate = createGate();
    gates.add(gate);
    await gate.held;
    assertUncut();
  }

  const through = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      assertUncut();
      const result = await call(...args);
      assertUncut();
      return result;
    };
  };
  const core: Queryable = {
    rows: through(database.core.rows) as Queryable['rows'],
    first: through(database.core.first) as Queryable['first'],
    run: through(database.core.run),
  };

  const transact: Database['transact'] = async (placement, options, work) => {
    try {
      return await carry(placement, options, work);
    } catch (error) {
      if (placement.system === 'outbox') failures.push((error as { code?: string }).code ?? String(error));
      throw error;
    }
  };

  const carry: Database['transact'] = async (placement, options, work) => {
    const kind =
      placement.system === 'outbox' || placement.system === 'stream' ? placement.system : undefined;
    const fate = kind && !isCalm ? fates[kind].shift() : undefined;
    assertUncut();
    if (fate === 'fail') throw databaseErrors.database_unavailable({ detail: 'it did not get through' });
    if (fate === 'before') await holdUp();
    const worked = createGate();
    const transacting = database.transact(placement, options, async (tx) => {
      const done = await work(tx);
      worked.open();
      if (fate === 'inside' || fate === 'late') await holdUp();
      assertUncut();
      return done;
    });
    if (fate === 'late') {
      late.push(transacting.catch(() => {}));
      await Promise.race([worked.held, transacting]);
      throw databaseErrors.outcome_unknown({ detail: 'the answer comes too late' });
    }
    const result = await transacting;
    assertUncut();
    if (fate === 'lost') throw databaseErrors.outcome_unknown({ detail: 'the answer was lost' });
    return result;
  };

  const line: Line = {
    plan(of, planned) {
      fates[of] = [...planned];
    },
    release() {
      for (const gate of gates) gate.open();
      gates.clear();
    },
    calm() {
      isCalm = true;
      line.release();
    },
    cut() {
      isCut = true;
      line.calm();
    },
    takeFailures: () => failures.splice(0),
    settled: () => Promise.all(late),
  };
  return { line, database: { transact, core } };
}

/** One process. */
export interface PipelineProcess {
  clock: ManualClock;
  line: Line;
  metrics: Metrics;
  outbox: Outbox;
  streams: Streams;
  /** Starts a consumer in it. */
  consume(definition: ConsumerDefinition, handler: Handler): Promise<Consumer>;
  consumers: Set<Consumer>;
  stop(): Promise<void>;
  /** Kills it: what it has under way ends as it may. */
  kill(): Promise<void>;
}

export interface PipelineOptions {
  outbox?: Partial<Parameters<typeof createOutbox>[0]>;
  streams?: Partial<Parameters<typeof createStreams>[0]>;
  ids: OutboxDeps['ids'];
  seed: number;
  /** False for a process that only consumes. */
  hasRelay?: boolean;
  breakIt?: (store: StreamStore) => StreamStore;
}

const STREAM_OPTIONS = parseOptions(streamOptions, {});
const OUTBOX_OPTIONS = parseOptions(outboxOptions, {});
const never = new AbortController().signal;
const noTime = AbortSignal.abort(new Error('killed'));

/** Starts a process on the database. */
export async function startProcess(database: Database, options: PipelineOptions): Promise<PipelineProcess> {
  const { hasRelay = true, breakIt = (store: StreamStore) => store } = options;
  const clock = createManualClock();
  const { line, database: linked } = connect(database);
  const random = seededRandom(options.seed);
  const tracer = createTracer(random);
  const deps = { clock, random, log: silentLog, metrics: createMetrics(), tracer };
  const streams = createStreams(
    { ...STREAM_OPTIONS, ...options.streams },
    { ...deps, database: linked, store: breakIt(createPostgresStreams(linked.core)) },
  );
  const outbox = createOutbox(
    { ...OUTBOX_OPTIONS, ...options.outbox },
    { ...deps, database: linked, ids: options.ids, leases: createPostgresLeases(linked.core), streams },
  );
  await streams.start(never);
  if (hasRelay) await outbox.start(never);
  const consumers = new Set<Consumer>();

  async function stop(deadline: AbortSignal): Promise<void> {
    await Promise.all([...consumers].map((consumer) => consumer.stop(deadline)));
    consumers.clear();
    await outbox.stop(deadline);
    await streams.stop(deadline);
  }

  return {
    clock,
    line,
    metrics: deps.metrics,
    outbox,
    streams,
    consumers,
    async consume(definition, handler) {
      const consumer = streams.createConsumer(definition, { handler });
      consumers.add(consumer);
      await consumer.start(never);
      return consumer;
    },
    stop: () => stop(never),
    async kill() {
      line.cut();
      await stop(noTime);
    },
  };
}

/** A database with all that a pipeline needs. Commits do not wait for the disk: no test here kills Postgres. */
export async function startPipelineDatabase(): Promise<TestDatabase> {
  const started = await startTestDatabase({
    migrations: [idsMigrations, leasesMigrations, streamMigrations, outboxMigrations],
    options: { poolMax: 30 },
  });
  await started.admin.run(sql`alter database loadstone set synchronous_commit = off`);
  return started;
}

/** Ids without a lease: unique over all who share the counter. */
export function createTestIds(start = 1): OutboxDeps['ids'] {
  let last = start;
  return { next: () => String(last++) };
}
