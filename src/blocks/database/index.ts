export { bytes, jsonTexts, numbers, texts, times } from './array-literals.ts';
export { BUCKETS, bucketOf } from './buckets.ts';
export { createDatabase } from './database.ts';
export { databaseErrors } from './errors.ts';
export { isConstraintViolation, isDataError } from './failure.ts';
export {
  type CopiedTable,
  type LoginConnection,
  type Partition,
  withLoginConnection,
} from './login-connection.ts';
export { createLookUps, type LookUps, type LookUpsOptions } from './look-ups.ts';
export type { MigrationSet } from './migrate/migration-files.ts';
export { databaseLimits, indexBytes, rowBytes } from './model.ts';
export { type DatabaseOptions, databaseOptions } from './options.ts';
export type {
  AlterOptions,
  Consistency,
  Database,
  DatabaseDeps,
  Placement,
  ReadOptions,
  SnapshotOptions,
  Transaction,
  TransactOptions,
} from './port.ts';
export {
  LISTEN_APPLICATION,
  type ListenConnection,
  type ListenOptions,
} from './primary/listen-connection.ts';
export type { Queryable, Reader, Role } from './queryable.ts';
export { identifier, nothing, type Sql, type SqlValue, sql } from './sql.ts';
