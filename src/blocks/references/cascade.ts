/**
 * Removes what refers to a target that is gone: found and removed batch by batch, each batch in a mutation of its own.
 *
 * A job:  look ──nothing refers, or the target is there (again)──▶ done
 *          ▲ └──rows──▶ remove, bucket by bucket ──▶ look …  after `batchesPerJob` of them: another job goes on
 *
 * The look holds the target's lock exclusively. So everyone who found the target there before it was deleted has ended,
 * and is seen; whoever comes to refer after it finds the target gone. A look that finds nothing is therefore the last.
 * Nothing of a job is kept in the process: one that is cut off is simply begun again, and finds what is left.
 */
import Type, { type Static } from 'typebox';
import type { Database, Queryable } from '#blocks/database';
import type { Mutations } from '#blocks/mutation';
import {
  defineQueue,
  type Handler,
  handlerOf,
  type Job,
  type NewJob,
  type Queue,
  queueErrors,
} from '#blocks/queue';
import { referencesErrors } from './errors.ts';
import type { ReferencesMetrics } from './metrics.ts';
import type { CascadingReference, Reference, ReferringRow } from './reference.ts';
import { lockTargets } from './target-locks.ts';

const CascadePayload = Type.Object({ reference: Type.String(), targetId: Type.String() });
type CascadePayload = Static<typeof CascadePayload>;

/** A job for each deleted target and reference. */
export const cascadeQueue = defineQueue('reference_cascade', CascadePayload, {
  whenDrained:
    'Rows whose target has been deleted stay until the next sweep (references.sweepPattern) removes them.',
});

/**
 * Its payload has its keys in this order wherever it is made: jobs are found again by its text (under-way.ts). At most one such job waits, and one runs. A deletion `replace`s one that waits, and runs after one that has begun, which
 * may have looked already.
 */
export function cascadeJob(
  reference: CascadingReference,
  targetId: string,
  onDuplicate: 'replace' | 'ignore',
): NewJob {
  const { name } = reference;
  return cascadeQueue.job({ reference: name, targetId }, { uniqueKey: `${name}/${targetId}`, onDuplicate });
}

type CascadeJob = Job<CascadePayload>;

export interface CascadeDeps {
  database: Pick<Database, 'transact'>;
  mutations: Pick<Mutations, 'write'>;
  queue: Pick<Queue, 'enqueueGrouped'>;
  metrics: ReferencesMetrics;
  declared: readonly Reference[];
}

export interface CascadeOptions {
  batchMax: number;
  batchesPerJob: number;
}

/** Batches that found rows and removed none: others may have been faster, but hardly so often. */
const VAIN_MAX = 3;

export function createCascade({ batchMax, batchesPerJob }: CascadeOptions, deps: CascadeDeps): Handler {
  const { database, mutations, queue, metrics, declared } = deps;

  /** Locks the target, and says whether it is gone. */
  async function isGone(
    tx: Queryable,
    { to }: CascadingReference,
    { workspaceId }: CascadeJob,
    id: string,
  ): Promise<boolean> {
    const locked = lockTargets(tx, 'exclusive', { system: to.system, workspaceId, ids: [id] });
    const [living] = await Promise.all([to.living(tx, workspaceId, [id]), locked]);
    return !living.includes(id);
  }

  function look(
    reference: CascadingReference,
    job: CascadeJob,
    id: string,
  ): Promise<readonly ReferringRow[]> {
    const { workspaceId, bucket, signal } = job;
    const { from } = reference;
    return database.transact({ system: from.system, workspaceId, bucket }, { signal }, async (tx) =>
      (await isGone(tx, reference, job, id)) ? from.of(tx, workspaceId, [id], batchMax) : [],
    );
  }

  /** The rows are of one bucket. The lock again: the target may have come back, and with it new rows. */
  async function remove(
    reference: CascadingReference,
    job: CascadeJob,
    { id, bucket, rows }: { id: string; bucket: number; rows: readonly ReferringRow[] },
  ): Promise<number> {
    const { workspaceId, traceparent, signal } = job;
    const placement = { system: reference.from.system, workspaceId, bucket };
    const removed = await mutations.write({ placement, traceparent, signal }, async (tx) =>
      (await isGone(tx, reference, job, id)) ? reference.from.remove(tx, rows) : 0,
    );
    metrics.removed(reference.name, removed);
    return removed;
  }

  async function removeBatch(
    reference: CascadingReference,
    job: CascadeJob,
    id: string,
  ): Promise<'none' | number> {
    const rows = await look(reference, job, id);
    if (rows.length === 0) return 'none';
    let removed = 0;
    for (const [bucket, ofBucket] of Map.groupBy(rows, (row) => row.bucket)) {
      removed += await remove(reference, job, { id, bucket, rows: ofBucket });
    }
    return removed;
  }

  async function goOnLater(reference: CascadingReference, job: CascadeJob, id: string): Promise<void> {
    const { traceparent, signal } = job;
    // Waits for this job to end, because it has the same key.
    await queue.enqueueGrouped(job, [cascadeJob(reference, id, 'replace')], { signal, traceparent });
  }

  return handlerOf(cascadeQueue, async (job) => {
    const { reference: name, targetId } = job.payload;
    const reference = declared.find((each) => each.name === name);
    if (reference?.onDelete !== 'cascade') {
      throw queueErrors.job_non_retryable({ detail: `no reference ${name} that cascades` });
    }
    let removed = 0;
    let vain = 0;
    for (let batch = 0; batch < batchesPerJob; batch++) {
      job.heartbeat();
      const removedNow = await removeBatch(reference, job, targetId);
      if (removedNow === 'none') return { removed };
      vain = removedNow === 0 ? vain + 1 : 0;
      if (vain === VAIN_MAX) {
        throw referencesErrors.reference_not_removed({ detail: `${name}: rows that refer to ${targetId}` });
      }
      removed += removedNow;
      job.progress({ removed });
    }
    await goOnLater(reference, job, targetId);
    return { removed, goesOn: true };
  });
}
