export { identityErrors } from './errors.ts';
export {
  createIdentity,
  type Identity,
  type IdentityOptions,
  identityMigrations,
  type Principal,
  TRUST_MS,
} from './identity.ts';
