export {
  type BackupDeps,
  type BackupRequest,
  type TakenBackup,
  takeBackup,
} from './backup.ts';
export type { Target } from './chain.ts';
export { type Checked, checkBackups } from './check.ts';
export { backupErrors } from './errors.ts';
export { readBackupSecret } from './key.ts';
export { isLsn } from './log-segment.ts';
export { type LogicallyRestored, type LogicalRestoreRequest, restoreLogical } from './logical-restore.ts';
export type { BackupKind, Manifest } from './manifest.ts';
export { describeMasterKey, type FoundMasterKey, findMasterKey } from './master-key-copy.ts';
export { backupMigrations } from './migrations.ts';
export { type BackupOptions, backupOptions } from './options.ts';
export { type Entry, isGood, listBackups } from './repository.ts';
export { type RestoreDeps, type Restored, type RestoreRequest, restorePhysical } from './restore.ts';
export {
  type Backups,
  type BackupsDeps,
  backupQueues,
  createBackups,
  scheduleBackup,
  unscheduleBackup,
} from './schedule.ts';
export { type BackupSchedule, readSchedules, type ScheduleState, type What } from './schedule-rows.ts';
export { type BackupSource, findSource } from './source.ts';
