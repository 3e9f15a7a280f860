export { bytes, jsonTexts, numbers, texts, times } from './array-literals.ts';
export { BUCKETS, bucketOf } from './buckets.ts';
export {
  type AlterOptions,
  type Consistency,
  createDatabase,
  type Database,
  type DatabaseDeps,
  type Placement,
  type Queryable,
  type Reader,
  type ReadOptions,
  type Role,
  type SnapshotOptions,
  type Transaction,
  type TransactOptions,
} from './database.ts';
export {
  type BaseBackup,
  type BaseBackupDeps,
  type BaseBackupSource,
  leftOutOf,
  syncTree,
  takeBaseBackup,
} from './embedded/base-backup.ts';
export { readDatabaseFile } from './embedded/database-file.ts';
export { type DirectoryLock, holderOf, lockDirectory } from './embedded/directory-lock.ts';
export { createEmbeddedPostgres, SUPERUSER_NAME } from './embedded/embedded.ts';
export { embeddedErrors } from './embedded/errors.ts';
export { locateInstallation } from './embedded/installation.ts';
export { locateEmbedded } from './embedded/locate.ts';
export { askForPromotion, type PromotionOutcome } from './embedded/promotion-request.ts';
export { type DatabaseStatus, databaseStatus } from './embedded/status.ts';
export { syncDirectory } from './embedded/sync-directory.ts';
export { databaseErrors } from './errors.ts';
export { isConstraintViolation, isDataError } from './failure.ts';
export { LISTEN_APPLICATION, type ListenConnection, type ListenOptions } from './listen-connection.ts';
export { createLookUps, type LookUps, type LookUpsOptions } from './look-ups.ts';
export type { MigrationSet } from './migration-files.ts';
export { databaseLimits, indexBytes, rowBytes } from './model.ts';
export { type DatabaseOptions, databaseOptions } from './options.ts';
export { isPosition, latestPosition } from './position.ts';
export { type CopiedTable, type Partition, type Session, withSession } from './session.ts';
export { identifier, nothing, type Sql, type SqlValue, sql } from './sql.ts';
