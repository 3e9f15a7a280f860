export type { CalibrationItem, CalibrationMeasure, SystemCalibration } from './calibrate.ts';
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
export type { HotShape } from './hot-shape.ts';
export type { JobContext, JobWork } from './job.ts';
export {
  type EntityTag,
  type EntityTags,
  entityTag,
  evaluate,
  NO_PRECONDITIONS,
  type Preconditions,
  parseEntityTags,
  parsePreconditions,
} from './preconditions.ts';
export {
  type Call,
  type CallContext,
  defineRoute,
  handleRoute,
  type Method,
  type MutationPlace,
  type Repetition,
  type Reply,
  type Route,
  type RouteShape,
} from './route.ts';
export {
  defineSystem,
  type HotDeps,
  type StreamDefinition,
  type System,
  type SystemDefinition,
  type SystemDeps,
} from './system.ts';
