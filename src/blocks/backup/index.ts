export {
  type BackupDeps,
  type BackupRequest,
  type TakenBackup,
  takeBackup,
} from './backup.ts';
export { backupErrors } from './errors.ts';
export { backupMigrations } from './migrations.ts';
export { type BackupOptions, backupOptions } from './options.ts';
export type { Target } from './repository/chain.ts';
export { type Checked, checkBackups } from './repository/check.ts';
export { readBackupSecret } from './repository/key.ts';
export { isLsn } from './repository/log-segment.ts';
export type { BackupKind, Manifest } from './repository/manifest.ts';
export { describeMasterKey, type FoundMasterKey, findMasterKey } from './repository/master-key-copy.ts';
export { type Entry, isGood, listBackups } from './repository/repository.ts';
export {
  type LogicallyRestored,
  type LogicalRestoreRequest,
  restoreLogical,
} from './restore/logical-restore.ts';
export { type RestoreDeps, type Restored, type RestoreRequest, restorePhysical } from './restore/restore.ts';
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
