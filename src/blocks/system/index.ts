export { systemErrors } from './errors.ts';
export type { HotShape } from './hot-shape.ts';
export { type HandledQueue, handleQueue, type JobContext, type JobWork } from './job.ts';
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
