/**
 * References between systems, kept by events where no foreign key can be. See README.md for promises.
 */
import assert from 'node:assert/strict';
import { composeLifecycles, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Metrics } from '#base/metrics';
import type { Database } from '#blocks/database';
import type { Mutations } from '#blocks/mutation';
import type { DefinedQueue, Handler, Queue } from '#blocks/queue';
import type { Consumer, Handler as StreamHandler, Streams } from '#blocks/stream';
import { cascadeJob, cascadeQueue, createCascade } from './cascade.ts';
import { createGuards, findReference, type Guards } from './guards.ts';
import { addLook, createLook, type Findings, NOTHING_FOUND } from './look.ts';
import { emitReferencesMetrics } from './metrics.ts';
import type { ReferencesOptions } from './options.ts';
import type { CascadingReference, Reference } from './reference.ts';
import { createSweep, sweepQueue } from './sweep.ts';
import { groupOf } from './under-way.ts';

/** Declared statically, because the queue is made before what needs it. */
export const referenceQueues: readonly DefinedQueue[] = [cascadeQueue, sweepQueue];

/** What a reference looks like at the moment. */
export interface ReferenceReport extends Findings {
  readonly reference: string;
  /** Dangling rows are a fault unless it says `keep`. */
  readonly onDelete: Reference['onDelete'];
}

export interface CheckOptions {
  /** At most so many rows, the first ones. Default: all. */
  sample?: number;
  signal: AbortSignal;
}

/** Its lifecycle is that of the consumers: started after the systems have declared their streams. */
export interface References extends Lifecycle, Guards {
  readonly declared: readonly Reference[];
  /** Looks for dangling rows and changes nothing. @throws reference_unknown */
  check(name: string, options: CheckOptions): Promise<ReferenceReport>;
  /** Who carries out the jobs of `referenceQueues`, by queue: to be given to a worker. */
  readonly handlers: Readonly<Record<string, Handler>>;
}

export interface ReferencesDeps {
  log: Log;
  metrics: Metrics;
  /** Of all systems concerned: one database so far. */
  database: Pick<Database, 'transact' | 'reader' | 'core'>;
  streams: Pick<Streams, 'createConsumer'>;
  /** With `referenceQueues` among its definitions. */
  queue: Pick<Queue, 'prepareJob' | 'insertJobs' | 'enqueueGrouped'>;
  mutations: Pick<Mutations, 'write'>;
  /** Of the systems that this process runs; what they refer to may run elsewhere on the same database. */
  declared: readonly Reference[];
}

/**
 * A deletion becomes a job in the transaction that moves the consumer on, so exactly one. The removal is left to the job:
 * it takes as many transactions as it has batches, each with events of its own.
 */
function enqueueCascades(reference: CascadingReference, queue: ReferencesDeps['queue']): StreamHandler {
  return async (events, tx) => {
    const jobs = events.flatMap((event) => {
      const id = reference.to.deletedBy(event);
      if (id === undefined) return [];
      const { workspaceId, bucket, traceparent } = event;
      return [queue.prepareJob(cascadeJob(reference, id, 'replace'), { workspaceId, bucket }, traceparent)];
    });
    if (jobs.length > 0) await queue.insertJobs(tx, jobs);
  };
}

/** What keeps the declared references of one database. */
export function createReferences(options: ReferencesOptions, deps: ReferencesDeps): References {
  const { log, database, streams, queue, mutations, declared } = deps;
  const names = new Set(declared.map(({ name }) => name));
  assert.equal(names.size, declared.length, 'references have different names');
  const metrics = emitReferencesMetrics(deps.metrics);
  const look = createLook({ database });
  const cascade = createCascade(options, { database, mutations, queue, metrics, declared });
  const sweep = createSweep(options, { log, queue, metrics, look, declared });

  const consumers = declared.flatMap((each): Consumer[] => {
    if (each.onDelete !== 'cascade') return [];
    const definition = { stream: each.to.stream, group: groupOf(each) };
    return [streams.createConsumer(definition, { handler: enqueueCascades(each, queue) })];
  });

  return {
    ...composeLifecycles('references', consumers),
    ...createGuards(declared),
    declared,
    handlers: { [cascadeQueue.name]: cascade, [sweepQueue.name]: sweep },
    async check(name, { sample = Number.POSITIVE_INFINITY, signal }) {
      const reference = findReference(declared, name);
      let findings = NOTHING_FOUND;
      let after: string | undefined;
      while (findings.rows < sample) {
        signal.throwIfAborted();
        const limit = Math.min(options.pageMax, sample - findings.rows);
        const seen = await look(reference, { after, limit, signal });
        findings = addLook(findings, seen);
        after = seen.next;
        if (after === undefined) break;
      }
      return { reference: name, onDelete: reference.onDelete, ...findings };
    },
  };
}
