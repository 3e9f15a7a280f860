export type { CatchUp, Schedule } from './cron.ts';
export { type CronPattern, parseCronPattern } from './cron-pattern.ts';
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
} from './defined-queue.ts';
export type { PerKey, QueueDefinition, WhenFull } from './definition.ts';
export { queueErrors } from './errors.ts';
export type { JobInspection } from './inspection.ts';
export type { Handler, Job, OnDuplicate, Place, PreparedJob, UncheckedJob } from './job.ts';
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
export type { LeaderLease } from './upkeep.ts';
export type { Why } from './why.ts';
export { createWorker, type WorkerDeps, type WorkerOptions } from './worker.ts';
