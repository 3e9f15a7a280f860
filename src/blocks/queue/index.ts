export type { PerKey, QueueDefinition, WhenFull } from './definition.ts';
export {
  assertMadeJob,
  type DefinedQueue,
  type DefinedSchedule,
  defineQueue,
  handlerOf,
  type JobOptions,
  type NewJob,
  type QueueSettings,
  type ScheduleOptions,
} from './enqueue/defined-queue.ts';
export { queueErrors } from './errors.ts';
export type { JobInspection } from './inspect/inspection.ts';
export type { Why } from './inspect/why.ts';
export type { Handler, Job, JobPlacement, OnDuplicate, PreparedJob, UncheckedJob } from './job.ts';
export type { CatchUp, Schedule } from './maintenance/cron.ts';
export { type CronPattern, parseCronPattern } from './maintenance/cron-pattern.ts';
export type { LeaderLease } from './maintenance/maintenance.ts';
export { drainSeconds } from './metrics.ts';
export { queueMigrations } from './migrations.ts';
export {
  doneJobBytes,
  overtakenMsMax,
  queueCosts,
  queueLimits,
  workersNeeded,
} from './model.ts';
export { type QueueOptions, queueOptions } from './options.ts';
export { createQueue, type EnqueueOptions, type Queue, type QueueDeps } from './queue.ts';
export { RUN_AT_MS_MAX } from './score.ts';
export type { JobFilter, QueueMeasure, StoredJob } from './store.ts';
export { twinsOf } from './stores/insert.ts';
export { selectUnfinished, type UnfinishedJob } from './stores/select-unfinished.ts';
export { createWorker, type WorkerDeps, type WorkerOptions } from './worker/worker.ts';
