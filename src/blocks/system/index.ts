export { type Deprecation, deprecationHeaders, describeDeprecation } from './deprecation.ts';
export { systemErrors } from './errors.ts';
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
  type StreamDefinition,
  type System,
  type SystemDefinition,
  type SystemDeps,
} from './system.ts';
export {
  defineStep,
  handleOlder,
  type Older,
  type OlderVersion,
  olderVersion,
  type Step,
} from './versions.ts';
