export type { RebuildProgress } from './catch-up.ts';
export type { Difference, RowText } from './compare.ts';
export {
  type Apply,
  defineProjection,
  type ProjectedEvent,
  type ProjectionDeclaration,
  type ProjectionDefinition,
  type ProjectionEvent,
} from './definition.ts';
export { projectionErrors } from './errors.ts';
export { projectionMigrations } from './migrations.ts';
export { type ProjectionOptions, projectionOptions } from './options.ts';
export type { RefusedKey } from './pending.ts';
export {
  createProjections,
  type Projections,
  type ProjectionsDeps,
  type RebuildOptions,
  type VerifyOptions,
} from './projections.ts';
export type { Rebuild } from './rebuild.ts';
export type { Verification } from './verify.ts';
