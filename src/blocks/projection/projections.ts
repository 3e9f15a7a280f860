/**
 * The projections of one server: kept up to date by consumers of their streams, compared with the truth, remade. See
 * README.md for what is promised and why it holds.
 */
import assert from 'node:assert/strict';
import { sleep } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { createLifecycle, type Lifecycle, lifecycleErrors } from '#base/lifecycle';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Tracer } from '#base/trace';
import { type Database, identifier } from '#blocks/database';
import type { Consumer, Handler, Streams } from '#blocks/stream';
import type { RebuildProgress } from './catch-up.ts';
import { liveName, type ProjectionDefinition } from './definition.ts';
import { projectionErrors } from './errors.ts';
import { emitProjectionMetrics } from './metrics.ts';
import type { ProjectionOptions } from './options.ts';
import { type Rebuild, rebuild } from './rebuild.ts';
import { type Verification, verifyIn } from './verify.ts';

export interface VerifyOptions {
  /** Compares at most so many rows, picked at random. */
  sample?: number;
  signal: AbortSignal;
}

export interface RebuildOptions {
  signal: AbortSignal;
  /** Told at each new phase, and while it catches up. */
  onProgress?: (progress: RebuildProgress) => void;
}

/**
 * `start` builds what has never been built, then starts a consumer for each projection; the streams must have been
 * declared, and relay and streams be started. `verify` and `rebuild` need no start: they work beside the servers that
 * run, from any process.
 */
export interface Projections extends Lifecycle {
  /** By name. */
  readonly definitions: ReadonlyMap<string, ProjectionDefinition>;
  /** @throws projection_unknown, projection_not_built, projection_behind, deadline_exceeded */
  verify(name: string, options: VerifyOptions): Promise<Verification>;
  /**
   * @throws projection_unknown, projection_behind, projection_table_unsupported, rebuild_running, rebuild_refused_event,
   * rebuild_stalled, rebuild_blocked, rebuild_overtaken, position_expired, deadline_exceeded
   */
  rebuild(name: string, options: RebuildOptions): Promise<Rebuild>;
}

export interface ProjectionsDeps extends Runtime {
  metrics: Metrics;
  tracer: Tracer;
  database: Pick<Database, 'transact' | 'snapshot' | 'alter'>;
  streams: Pick<Streams, 'createConsumer' | 'group'>;
  definitions: readonly ProjectionDefinition[];
}

const BUILD_POLL_MS = 200;
const SEED_MAX = 2 ** 31;

/** A step for each trace that the batch continues. */
function traced(definition: ProjectionDefinition, tracer: Tracer): Handler {
  const table = identifier(liveName(definition));
  return async (events, tx) => {
    const parents = new Set(events.map(({ traceparent }) => traceparent));
    parents.delete(undefined);
    const spans = [...parents].map(
      (parent) => tracer.begin(parent, `projection ${definition.name}`, 'consumer').span,
    );
    try {
      await definition.apply(events, tx, table);
    } catch (error) {
      for (const span of spans) span.recordException(error as Error);
      throw error;
    } finally {
      for (const span of spans) span.end();
    }
  };
}

function byName(definitions: readonly ProjectionDefinition[]): ReadonlyMap<string, ProjectionDefinition> {
  const all = new Map(definitions.map((each) => [each.name, each]));
  assert(all.size === definitions.length, 'two projections have the same name');
  const tables = new Set(definitions.map(liveName));
  assert(tables.size === definitions.length, 'two projections have the same table');
  return all;
}

/** The projections of the database; `definitions` are those of all systems. */
export function createProjections(options: ProjectionOptions, deps: ProjectionsDeps): Projections {
  const { clock, random, log, tracer, database, streams } = deps;
  const definitions = byName(deps.definitions);
  const measures = emitProjectionMetrics(deps.metrics);
  const closing = new AbortController();
  const consumers: Consumer[] = [];
  const underWay = new Set<Promise<unknown>>();

  function find(name: string): ProjectionDefinition {
    const definition = definitions.get(name);
    if (!definition) throw projectionErrors.projection_unknown({ detail: `there is no projection ${name}` });
    return definition;
  }

  /** Work that a stop cuts off, and waits for. */
  async function untilStopped<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const working = work(AbortSignal.any([signal, closing.signal]));
    underWay.add(working);
    try {
      return await working;
    } finally {
      underWay.delete(working);
    }
  }

  async function rebuildOne(
    definition: ProjectionDefinition,
    rebuildOptions: RebuildOptions,
  ): Promise<Rebuild> {
    const done = await rebuild(definition, rebuildOptions, options, deps);
    measures.rebuilt(definition.name, done.tookMs);
    log.info({ projection: definition.name, ...done }, 'a projection was rebuilt');
    return done;
  }

  async function verifyOne(
    definition: ProjectionDefinition,
    { sample, signal }: VerifyOptions,
  ): Promise<Verification> {
    assert(
      sample === undefined || (Number.isInteger(sample) && sample > 0),
      `not a number of rows: ${sample}`,
    );
    const picked =
      sample === undefined ? undefined : { rows: sample, seed: Math.floor(random.fraction() * SEED_MAX) };
    const look = { signal, role: 'system', timeoutMs: options.timeoutMs } as const;
    const found = await database
      .snapshot(look, (tx) => verifyIn(tx, definition, { ...options, sample: picked }))
      .catch((error: unknown) => {
        // Nothing is kept of it: whether it was committed is of no interest to who has cut it off.
        throw signal.aborted ? signal.reason : error;
      });
    const { differencesTotal, differences } = found;
    measures.verified(definition.name, differencesTotal);
    if (differencesTotal > 0) {
      const first = differences[0];
      log.error(
        { projection: definition.name, differencesTotal, first },
        'a projection differs from the truth',
      );
    }
    return found;
  }

  /** There may be rows that no event tells of, or whose events are gone: the first table comes from the truth as well. */
  async function buildFirst(definition: ProjectionDefinition, signal: AbortSignal): Promise<void> {
    while (!(await streams.group(definition.stream, definition.name).look())) {
      try {
        await rebuildOne(definition, { signal });
      } catch (error) {
        // Another process is at it.
        if (!isLoadstoneError(error) || error.code !== 'rebuild_running') throw error;
        await sleep(clock, BUILD_POLL_MS, signal);
      }
    }
  }

  const lifecycle = createLifecycle('projections', {
    async start(signal) {
      for (const definition of definitions.values()) {
        await untilStopped(signal, (either) => buildFirst(definition, either));
        const place = { stream: definition.stream, group: definition.name };
        const consumer = streams.createConsumer(place, { handler: traced(definition, tracer) });
        consumers.push(consumer);
        await consumer.start(signal);
      }
    },
    async stop(deadline) {
      closing.abort(lifecycleErrors.stopped({ detail: 'the projections are being stopped' }));
      await Promise.all(consumers.map((consumer) => consumer.stop(deadline)));
      await Promise.allSettled(underWay);
    },
    health() {
      const failing = consumers.map((each) => each.health()).find(({ status }) => status === 'failing');
      return failing ?? { status: 'ok' };
    },
  });

  return {
    ...lifecycle,
    definitions,
    verify: async (name, verifyOptions) =>
      untilStopped(verifyOptions.signal, (signal) => verifyOne(find(name), { ...verifyOptions, signal })),
    rebuild: async (name, rebuildOptions) =>
      untilStopped(rebuildOptions.signal, (signal) => rebuildOne(find(name), { ...rebuildOptions, signal })),
  };
}
