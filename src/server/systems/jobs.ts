/**
 * What a caller may see of a job whose id an answer has given it.
 */
import Type from 'typebox';
import { toTime } from '#base/values/time';
import type { JobInspection, StoredJob } from '#blocks/queue';
import { queueErrors } from '#blocks/queue';
import { defineRoute, handleRoute, type Route, timeOrNull } from '#blocks/system';

const closed = { additionalProperties: false } as const;

const STATES: StoredJob['state'][] = [
  'scheduled',
  'ready',
  'held',
  'running',
  'done',
  'dead',
  'discarded',
  'replaced',
  'dropped',
];
const ID = '117896458777124864';

const getJob = defineRoute({
  method: 'GET',
  path: '/v1/jobs/:id',
  id: 'getJob',
  summary: 'Look at a job',
  access: 'core:read',
  description:
    'How far the work is that an answer promised. A finished job can be looked up for `queue.historyMs`, a dead one for `queue.deadMs`.',
  params: Type.Object({ id: Type.String({ description: "The job's id.", examples: [ID] }) }, closed),
  replies: {
    200: Type.Object(
      {
        id: Type.String({ description: 'A 64-bit number as a string.', examples: [ID] }),
        queue: Type.String({ description: 'Where it waits or waited.', examples: ['backups'] }),
        state: Type.Unsafe<StoredJob['state']>({
          type: 'string',
          enum: STATES,
          description:
            'Those up to `running` go on; the others are final. `held` is by its key; `dead` has failed for good.',
        }),
        attempts: Type.Integer({ description: 'Attempts that have ended.', examples: [1] }),
        progress: Type.Unknown({ description: 'What the running attempt last said of how far it is.' }),
        result: Type.Unknown({ description: 'What it gave; null until it is done.' }),
        problem: Type.Union([Type.String(), Type.Null()], {
          examples: [null],
          description:
            'The code of what the last attempt failed with, `internal` for what has none; null if none has failed, or it is over. The log says more.',
        }),
        replacedBy: Type.Union([Type.String(), Type.Null()], {
          description: 'The job that took its place.',
          examples: [null],
        }),
        enqueuedAt: timeOrNull('When it was put into the queue.'),
        runAt: timeOrNull('When it may run.'),
        finishedAt: timeOrNull('When it was over; null until then.'),
      },
      { ...closed, title: 'Job', description: 'Work to do later.' },
    ),
  },
  errors: [queueErrors.job_missing],
});

const parsed = (json: string | undefined): unknown => (json === undefined ? null : JSON.parse(json));

/** Its code alone: the rest may tell of the inside of the server. */
function problemOf(lastError: string | undefined): string | null {
  if (lastError === undefined) return null;
  return /^([a-z][a-z0-9_]*): /.exec(lastError)?.[1] ?? 'internal';
}

function present(job: StoredJob) {
  const { jobId: id, queue, state, attempts, progress, detail, lastError } = job;
  return {
    ...{ id, queue, state, attempts },
    progress: parsed(progress),
    result: state === 'done' ? parsed(detail) : null,
    problem: problemOf(lastError),
    replacedBy: state === 'replaced' ? (parsed(detail) as string | null) : null,
    enqueuedAt: toTime(job.enqueuedMs),
    runAt: toTime(job.runAtMs),
    finishedAt: toTime(job.finishedMs),
  };
}

export function createJobRoutes({ show }: Pick<JobInspection, 'show'>): Route[] {
  return [
    handleRoute(getJob, async ({ params: { id } }, { principal }) => ({
      status: 200,
      body: present(await show(id, principal.workspaceId)),
    })),
  ];
}
