export { type Access, ownerOf, type Permission } from './access.ts';
export type { CalibrationItem, CalibrationMeasure, SystemCalibration } from './calibrate.ts';
export { type Complete, completeShape, type WhenPartitioned } from './defaults.ts';
export { type Deprecation, deprecationHeaders, describeDeprecation } from './deprecation.ts';
export type {
  DrillAnswer,
  DrillEvents,
  DrilledItem,
  DrilledRoute,
  DrillGet,
  DrillInvariant,
  DrillOperation,
  DrillRequest,
  DrillSeen,
  Learnt,
  ReadBack,
  StaleMs,
  SystemDrill,
} from './drill.ts';
export { systemErrors } from './errors.ts';
export type { FirstSteps } from './first-steps.ts';
export { type HandledQueue, handleQueue, type JobContext, type JobWork } from './job.ts';
export { type Keyed, type Keyset, type ListKey, type ListOrder, listOrder } from './list-order.ts';
export { OWN_PATHS } from './own-paths.ts';
export { PAGE_LIMITS, type Page, type PageQuery, pageOf, pageQuery } from './page.ts';
export {
  type EntityTag,
  type EntityTags,
  entityTag,
  evaluate,
  NO_PRECONDITIONS,
  type Preconditions,
  parseEntityTags,
  parsePreconditions,
  preconditionHeaders,
  requireVersion,
  versionHeader,
} from './preconditions.ts';
export {
  defineRaw,
  handleRaw,
  isRawRoute,
  PASS,
  type RawAnswer,
  type RawCall,
  type RawRoute,
  type RawShape,
} from './raw.ts';
export {
  type Call,
  type CallContext,
  type ContextOf,
  defineRoute,
  handleRoute,
  type Method,
  type MutationPlacement,
  type Precondition,
  type PublicCallContext,
  type Repetition,
  type Reply,
  type Route,
  type RouteShape,
} from './route.ts';
export {
  defineSystem,
  type StreamDefinition,
  type System,
  type SystemDefinition,
  type SystemDeps,
} from './system.ts';
export { timeField, timeOrNull } from './times.ts';
export {
  defineStep,
  handleOlder,
  type Older,
  type OlderVersion,
  olderVersion,
  type Step,
} from './versions.ts';
