/**
 * The package `loadstone`: what a system of your own is made with.
 */
export type { Static, TObject, TSchema, TString } from 'typebox';
export { default as Type } from 'typebox';
export { backoffMs } from '#base/backoff';
export { type Clock, sleep } from '#base/clock';
export {
  defineErrors,
  type ErrorDetails,
  type ErrorFactory,
  fieldError,
  isLoadstoneError,
  LoadstoneError,
} from '#base/errors';
export { createLifecycle, type Health, type Lifecycle, lifecycleErrors } from '#base/lifecycle';
export type { Log } from '#base/log';
export { createLoop, type Loop, type LoopSteps } from '#base/loop';
export type { Metrics } from '#base/metrics';
export { optionsSchema, parseOptions } from '#base/options';
export type { Random } from '#base/random';
export type { Runtime } from '#base/runtime';
export type { JsonValue } from '#base/values/json';
export { parseTime, toTime } from '#base/values/time';
export {
  type Consistency,
  createLookUps,
  type Database,
  indexBytes,
  isConstraintViolation,
  numbers,
  type Placement,
  type Queryable,
  type Reader,
  rowBytes,
  type Sql,
  type SqlValue,
  sql,
  type Transaction,
  texts,
  times,
} from '#blocks/database';
export type { Principal } from '#blocks/identity';
export {
  type CodeSpace,
  type CodeSpaceOptions,
  codeSpaceOptions,
  type Ids,
  isId,
  parseId,
} from '#blocks/ids';
export {
  done,
  held,
  type MutationTx,
  refuse,
  type SetCall,
  type SetRule,
  type SetTx,
  type Settled,
  type Settling,
  type Verdict,
} from '#blocks/mutation';
export type { OperationCost, SystemModel } from '#blocks/plan';
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
  RUN_AT_MS_MAX,
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
  type Streams,
  type Tail,
  type TypedEvent,
} from '#blocks/stream';
export {
  type Access,
  type CalibrationItem,
  type CalibrationMeasure,
  type Call,
  type CallContext,
  completeShape,
  type Deprecation,
  type DrillAnswer,
  type DrillEvents,
  type DrilledItem,
  type DrilledRoute,
  type DrillGet,
  type DrillInvariant,
  type DrillOperation,
  type DrillRequest,
  type DrillSeen,
  defineRaw,
  defineRoute,
  defineStep,
  defineSystem,
  entityTag,
  evaluate,
  type FirstSteps,
  type HandledQueue,
  handleOlder,
  handleQueue,
  handleRaw,
  handleRoute,
  type JobContext,
  type JobWork,
  type Keyed,
  type Keyset,
  type Learnt,
  type ListOrder,
  listOrder,
  type MutationPlacement,
  type Older,
  type OlderVersion,
  OWN_PATHS,
  olderVersion,
  PASS,
  type Page,
  type PageQuery,
  type Permission,
  type Preconditions,
  type PublicCallContext,
  pageOf,
  pageQuery,
  parsePreconditions,
  type RawAnswer,
  type RawCall,
  type RawRoute,
  type RawShape,
  type ReadBack,
  type Repetition,
  type Reply,
  type Route,
  type RouteShape,
  requireVersion,
  type StaleMs,
  type Step,
  type StreamDefinition,
  type System,
  type SystemCalibration,
  type SystemDefinition,
  type SystemDeps,
  type SystemDrill,
  systemErrors,
  timeField,
  timeOrNull,
  versionHeader,
} from '#blocks/system';
