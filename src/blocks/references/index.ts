export { referencesErrors } from './errors.ts';
export type { Guards } from './guards.ts';
export type { Findings } from './look.ts';
export { type ReferencesOptions, referencesOptions } from './options.ts';
export {
  type CascadingReference,
  type Deletion,
  deletionsOf,
  type GuardedReference,
  type Reference,
  type Referring,
  type ReferringRow,
  type Removal,
  references,
  type Target,
  type TargetEvent,
} from './reference.ts';
export {
  type CheckOptions,
  createReferences,
  type ReferenceReport,
  type References,
  type ReferencesDeps,
  referenceQueues,
} from './references.ts';
export { referenceSchedules } from './sweep.ts';
