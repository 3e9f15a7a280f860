export { BUCKETS, bucketOf } from './buckets.ts';
export {
  type AlterOptions,
  type Consistency,
  createDatabase,
  type Database,
  type DatabaseDeps,
  type Placement,
  type Queryable,
  type ReadOptions,
  type Role,
  type SnapshotOptions,
  type Transaction,
  type TransactOptions,
} from './database.ts';
export { type DirectoryLock, lockDirectory } from './embedded/directory-lock.ts';
export { locateEmbedded } from './embedded/locate.ts';
export { databaseErrors } from './errors.ts';
export { isConstraintViolation } from './failure.ts';
export type { MigrationSet } from './migration-files.ts';
export { type DatabaseOptions, databaseOptions } from './options.ts';
export { identifier, nothing, type Sql, type SqlValue, sql } from './sql.ts';
