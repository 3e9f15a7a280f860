export { idempotencyErrors } from './errors.ts';
export {
  createIdempotency,
  type Idempotency,
  type IdempotencyDeps,
  type IdempotentRequest,
  type KeptOutcome,
  type Look,
  type Outcome,
} from './idempotency.ts';
export { canonicalJson, parseIdempotencyKey } from './key.ts';
export { idempotencyMigrations } from './migrations.ts';
export { recordBytes } from './model.ts';
export { type IdempotencyOptions, idempotencyOptions } from './options.ts';
