export { identityErrors } from './errors.ts';
export {
  type CallOrigin,
  createIdentity,
  type Identity,
  type IdentityDeps,
  type IdentityOptions,
  identityMigrations,
  type Principal,
  REMEMBERED_MS,
} from './identity.ts';
export { type IdentityLimits, identityOptions } from './options.ts';
export { TRUST_MS, UNKNOWN_MS } from './verify.ts';
