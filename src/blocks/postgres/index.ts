export { readDatabaseFile } from './directory/database-file.ts';
export { type DirectoryLock, holderOf, lockDirectory } from './directory/directory-lock.ts';
export { syncDirectory } from './directory/sync-directory.ts';
export { createClient, createClientPool, escapeIdentifier } from './driver.ts';
export {
  createEmbeddedPostgres,
  createJoinedPostgres,
  type PostgresAddress,
  type PostgresEngine,
  SUPERUSER_NAME,
} from './embedded.ts';
export { embeddedErrors } from './errors.ts';
export { locateEmbedded } from './locate.ts';
export {
  type CommitPosition,
  formatPosition,
  hasReached,
  isPosition,
  type Lsn,
  latestPosition,
  parseLsn,
  parsePosition,
  unsureIn,
} from './position.ts';
export { locateInstallation } from './process/installation.ts';
export {
  type BaseBackup,
  type BaseBackupDeps,
  type BaseBackupSource,
  leftOutOf,
  syncTree,
  takeBaseBackup,
} from './standby/base-backup.ts';
export { askForPromotion, type PromotionOutcome } from './standby/promotion-request.ts';
export { type DatabaseStatus, databaseStatus } from './status.ts';
