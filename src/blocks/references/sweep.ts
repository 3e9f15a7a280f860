/**
 * The sweep: all rows of all references looked at, now and then, and dangling ones treated as their reference says. It
 * finds what nothing else can: rows written without asking, across databases, or by hand; deletions whose event was
 * discarded or whose job is dead.
 *
 * A schedule starts it with one job, which enqueues one for each reference. That one goes a number of pages far and has
 * another one go on from there, so that a sweep that is cut off goes on where it was.
 */
import Type, { type Static } from 'typebox';
import type { Log } from '#base/log';
import {
  type DefinedSchedule,
  defineQueue,
  type Handler,
  handlerOf,
  type Job,
  type NewJob,
  type Queue,
  queueErrors,
} from '#blocks/queue';
import { cascadeJob } from './cascade.ts';
import { addLook, type Findings, type Look, NOTHING_FOUND } from './look.ts';
import type { ReferencesMetrics } from './metrics.ts';
import type { CascadingReference, Reference, ReferringRow } from './reference.ts';

const Row = Type.Object({
  id: Type.String(),
  workspaceId: Type.String(),
  bucket: Type.Integer(),
  to: Type.String(),
});
/** Of the job that starts a sweep: nothing. Of the others, how far their reference has been swept. */
const SweepPayload = Type.Object({
  reference: Type.Optional(Type.String()),
  after: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  findings: Type.Optional(
    Type.Object({
      rows: Type.Integer(),
      dangling: Type.Integer(),
      underWay: Type.Integer(),
      first: Type.Array(Row),
    }),
  ),
});
type SweepJob = Job<Static<typeof SweepPayload>>;

export const sweepQueue = defineQueue('reference_sweep', SweepPayload, {
  whenDrained: 'The sweep ends where it is; the next one (references.sweepPattern) begins anew.',
});

/** Of the server itself, so of no workspace. */
const PLACEMENT = { workspaceId: '0', bucket: 0 };

/** When the references are swept. @param options `references` of the configuration */
export function referenceSchedules({ sweepPattern }: { sweepPattern: string }): readonly DefinedSchedule[] {
  const schedule = { name: 'reference_sweep', pattern: sweepPattern, payload: () => ({}), ...PLACEMENT };
  return [sweepQueue.schedule(schedule)];
}

/** How far the sweep of a reference has come. */
interface Progress {
  reference: string;
  after: string | undefined;
  findings: Findings;
}

/** The sweep of a reference; one of it at a time. */
function sweepJob({ reference, after, findings }: Progress, onDuplicate: 'ignore' | 'replace'): NewJob {
  const { rows, dangling, underWay } = findings;
  const first = findings.first.map(({ id, workspaceId, bucket, to }) => ({ id, workspaceId, bucket, to }));
  const payload = { reference, after: after ?? null, findings: { rows, dangling, underWay, first } };
  return sweepQueue.job(payload, { uniqueKey: reference, onDuplicate });
}

export interface SweepOptions {
  pageMax: number;
  pagesPerJob: number;
}

export interface SweepDeps {
  log: Log;
  queue: Pick<Queue, 'enqueueGrouped'>;
  metrics: ReferencesMetrics;
  look: Look;
  declared: readonly Reference[];
}

export function createSweep({ pageMax, pagesPerJob }: SweepOptions, deps: SweepDeps): Handler {
  const { log, queue, metrics, look, declared } = deps;

  async function startAll({ traceparent, signal }: SweepJob): Promise<{ references: number }> {
    const begun = declared.map(({ name }) =>
      sweepJob({ reference: name, after: undefined, findings: NOTHING_FOUND }, 'ignore'),
    );
    if (begun.length > 0) await queue.enqueueGrouped(PLACEMENT, begun, { signal, traceparent });
    return { references: begun.length };
  }

  /** By the same jobs that a deletion's event makes. */
  async function haveRemoved(
    reference: CascadingReference,
    rows: readonly ReferringRow[],
    { traceparent, signal }: SweepJob,
  ): Promise<void> {
    for (const [workspaceId, ofWorkspace] of Map.groupBy(rows, (row) => row.workspaceId)) {
      const { bucket } = ofWorkspace[0] as ReferringRow;
      const targets = [...new Set(ofWorkspace.map(({ to }) => to))];
      const jobs = targets.map((id) => cascadeJob(reference, id, 'ignore'));
      await queue.enqueueGrouped({ workspaceId, bucket }, jobs, { signal, traceparent });
    }
  }

  async function sweepPage(reference: Reference, from: Progress, job: SweepJob): Promise<Progress> {
    const seen = await look(reference, { after: from.after, limit: pageMax, signal: job.signal });
    if (reference.onDelete === 'cascade') await haveRemoved(reference, seen.dangling, job);
    metrics.looked(reference.name, { rows: seen.rows, dangling: seen.dangling.length });
    return { reference: reference.name, after: seen.next, findings: addLook(from.findings, seen) };
  }

  function conclude({ name, onDelete }: Reference, findings: Findings): void {
    metrics.swept(name);
    const line = { reference: name, onDelete, ...findings };
    if (findings.dangling === 0) log.debug(line, 'a reference was swept');
    else if (onDelete === 'cascade')
      log.warn(line, 'rows without their target were found; they are being removed');
    else if (onDelete === 'restrict') log.warn(line, 'rows without their target were found');
    else log.info(line, 'rows without their target were found, as this reference allows');
  }

  async function sweepSome(reference: Reference, from: Progress, job: SweepJob) {
    let progress = from;
    for (let page = 0; page < pagesPerJob; page++) {
      job.heartbeat();
      progress = await sweepPage(reference, progress, job);
      const { rows, dangling, underWay } = progress.findings;
      if (progress.after === undefined) {
        conclude(reference, progress.findings);
        return { rows, dangling, underWay };
      }
      job.progress({ rows, dangling, underWay });
    }
    const { traceparent, signal } = job;
    await queue.enqueueGrouped(job, [sweepJob(progress, 'replace')], { signal, traceparent });
    return { goesOn: true };
  }

  return handlerOf(sweepQueue, async (job) => {
    const { reference: name, after, findings } = job.payload;
    if (name === undefined) return startAll(job);
    const reference = declared.find((each) => each.name === name);
    if (!reference) throw queueErrors.job_non_retryable({ detail: `no reference ${name}` });
    const from = { reference: name, after: after ?? undefined, findings: findings ?? NOTHING_FOUND };
    return sweepSome(reference, from, job);
  });
}
