/**
 * The package `loadstone`: what a system of your own is made with.
 */
export type { Static, TObject, TSchema } from 'typebox';
export { default as Type } from 'typebox';
export type { Clock } from '#base/clock';
export { defineErrors, type ErrorDetails, type ErrorFactory, LoadstoneError } from '#base/errors';
export type { JsonValue } from '#base/json';
export { createLifecycle, type Health, type Lifecycle } from '#base/lifecycle';
export type { Log } from '#base/log';
export { optionsSchema } from '#base/options';
export type { Random } from '#base/random';
export type { Signals } from '#base/signals';
export {
  type Consistency,
  type Database,
  isConstraintViolation,
  numbers,
  type Placement,
  type Queryable,
  type Sql,
  type SqlValue,
  sql,
  type Transaction,
  texts,
  times,
} from '#blocks/database';
export type { Principal } from '#blocks/identity';
export { type Ids, isId, parseId } from '#blocks/ids';
export {
  done,
  held,
  type MutationTx,
  refuse,
  type SetCall,
  type SetRule,
  type SetTx,
  type Verdict,
} from '#blocks/mutation';
export {
  defineProjection,
  type ProjectedEvent,
  type ProjectionDeclaration,
  type ProjectionDefinition,
  type ProjectionEvent,
} from '#blocks/projection';
export {
  type DefinedQueue,
  type DefinedSchedule,
  defineQueue,
  type Job,
  type JobOptions,
  type NewJob,
  type QueueDefinition,
  type QueueSettings,
  queueErrors,
  type Schedule,
  type ScheduleOptions,
} from '#blocks/queue';
export { deletionsOf, type Guards, type Reference, type ReferringRow, references } from '#blocks/references';
export {
  defineEvent,
  type EventDefinition,
  type EventOptions,
  type NewEvent,
  type StreamEvent,
  type TypedEvent,
} from '#blocks/stream';
export {
  type Call,
  type CallContext,
  defineRoute,
  defineSystem,
  entityTag,
  evaluate,
  type HandledQueue,
  type HotShape,
  handleQueue,
  handleRoute,
  type JobContext,
  type JobWork,
  type MutationPlace,
  type Preconditions,
  parsePreconditions,
  type Repetition,
  type Reply,
  type Route,
  type RouteShape,
  type StreamDefinition,
  type System,
  type SystemDefinition,
  type SystemDeps,
  systemErrors,
} from '#blocks/system';
