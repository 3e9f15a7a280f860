import { defineErrors } from '#base/errors';

export const queueErrors = defineErrors('queue', {
  queue_unknown: {
    status: 404,
    title: 'There is no such queue',
    doc: 'No system that is switched on declares a queue of that name.',
  },
  queue_full: {
    status: 503,
    title: 'The queue is full',
    retryable: true,
    doc: 'As many jobs wait in the queue as it may hold (`waitingMax`), and none of them has become free in time. Nothing was written. Retry after the time in `Retry-After`; if it lasts, run more workers.',
  },
  job_invalid: {
    status: 422,
    title: 'The job cannot be enqueued',
    doc: 'A priority, time or key of the job is outside what is allowed. The detail says which.',
  },
  job_too_large: {
    status: 413,
    title: 'The payload of the job is too large',
    doc: 'A payload has at most 64 KiB as JSON. Keep large data elsewhere and put a reference into the payload.',
  },
  job_duplicate: {
    status: 409,
    title: 'A job with this unique key waits or runs already',
    doc: 'The job was to be enqueued only if no other has its unique key. Nothing was written.',
  },
  job_missing: {
    status: 404,
    title: 'There is no such job',
    doc: 'No job has this id, or it finished longer ago than `queue.historyMs`.',
  },
  job_running: {
    status: 409,
    title: 'The job is running',
    retryable: true,
    doc: 'A job can be retried or discarded only while no worker has it in flight. Wait until it has ended.',
  },
  job_finished: {
    status: 409,
    title: 'The job is finished',
    doc: 'It is done, discarded, replaced or dropped: there is nothing left to retry or discard.',
  },
  job_lease_lost: {
    status: 503,
    title: 'The lease on the job has been lost',
    retryable: true,
    doc: 'The worker could not renew its lease in time, because it was frozen or cut off from the database. The job runs again elsewhere; what this attempt gives is not recorded.',
  },
  job_non_retryable: {
    status: 500,
    title: 'The job cannot succeed',
    doc: 'Thrown by a handler for a job that no further attempt would help: it is dead at once, whatever attempts are left.',
  },
  job_payload_invalid: {
    status: 500,
    title: 'A job does not fit its queue',
    doc: 'The program was about to enqueue a job whose payload does not fit the schema that its queue declares. Nothing was written. It is a defect of the program; the server log says what does not fit.',
  },
  job_payload_unreadable: {
    status: 500,
    title: 'The payload of the job does not fit its queue',
    doc: 'A stored payload does not fit the schema that its queue declares, or could not be upgraded to its present version. The job is dead at once, because another attempt would find the same; its handler has not been run. Correct the schema or the upgrade, and retry the job.',
  },
  job_version_unknown: {
    status: 500,
    title: 'The job was enqueued by a newer program',
    doc: 'The payload is of a version that this worker does not know. The attempt has failed without running the handler, and the job is tried again, by a worker of the newer program if there is one by then. Finish the deployment, and retry the job if it is dead by then.',
  },
  job_result_too_large: {
    status: 500,
    title: 'The result of the job is too large',
    doc: 'A handler may return at most 4 KiB as JSON. Keep the result elsewhere and return a reference. The job is dead, because another attempt would give the same.',
  },
});
