export { identityErrors } from './errors.ts';
export {
  type CallOrigin,
  createIdentity,
  type Identity,
  type IdentityDeps,
  type IdentityOptions,
  identityMigrations,
  REMEMBERED_MS,
} from './identity.ts';
export { type IdentityLimits, identityOptions } from './options.ts';
export type { Principal } from './principal.ts';
export { TRUST_MS, UNKNOWN_MS } from './verify.ts';
