export { BUCKETS, bucketOf } from './buckets.ts';
export {
  type Consistency,
  createDatabase,
  type Database,
  type DatabaseDeps,
  type Placement,
  type Queryable,
  type ReadOptions,
  type Role,
  type Transaction,
  type TransactOptions,
} from './database.ts';
export { type DirectoryLock, lockDirectory } from './embedded/directory-lock.ts';
export { databaseErrors } from './errors.ts';
export { isConstraintViolation } from './failure.ts';
export type { MigrationSet } from './migration-files.ts';
export { type DatabaseOptions, databaseOptions } from './options.ts';
export { identifier, nothing, type Sql, type SqlValue, sql } from './sql.ts';
