/**
 * The package `loadstone`: what a system of your own is made with.
 */
export type { Static, TObject, TSchema } from 'typebox';
export { default as Type } from 'typebox';
export type { Clock } from '#base/clock';
export { defineErrors, type ErrorDetails, type ErrorFactory, LoadstoneError } from '#base/errors';
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
export type { NewEvent } from '#blocks/outbox';
export { defineProjection, type ProjectionDefinition, type ProjectionEvent } from '#blocks/projection';
export {
  type Job,
  type JsonValue,
  type NewJob,
  type QueueDefinition,
  queueErrors,
  type Schedule,
} from '#blocks/queue';
export { type Guards, type Reference, type ReferringRow, references } from '#blocks/references';
export type { StreamEvent } from '#blocks/stream';
export {
  type Call,
  type CallContext,
  type Deprecation,
  defineRaw,
  defineRoute,
  defineStep,
  defineSystem,
  entityTag,
  evaluate,
  handleOlder,
  handleRaw,
  handleRoute,
  type JobContext,
  type JobWork,
  type MutationPlace,
  type Older,
  type OlderVersion,
  olderVersion,
  PASS,
  type Preconditions,
  parsePreconditions,
  type RawAnswer,
  type RawCall,
  type RawRoute,
  type RawShape,
  type Repetition,
  type Reply,
  type Route,
  type RouteShape,
  type Step,
  type StreamDefinition,
  type System,
  type SystemDefinition,
  type SystemDeps,
  systemErrors,
} from '#blocks/system';
