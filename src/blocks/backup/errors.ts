import { defineErrors } from '#base/errors';

export const backupErrors = defineErrors('backup', {
  backup_target_unusable: {
    status: 500,
    title: 'The backup directory cannot be used',
    doc: 'The directory of the backups cannot be made, read or written, or holds something that is not a backup. Nothing was written to it.',
  },
  backup_disk_full: {
    status: 503,
    title: 'There is no room for the backup',
    retryable: true,
    doc: 'The disk or the quota of the target is used up. What had been written was removed; earlier backups are as they were. Make room, or keep fewer with `--keep`, then repeat.',
  },
  backup_in_progress: {
    status: 503,
    title: 'Another backup is being written there',
    retryable: true,
    doc: 'One process at a time writes into a backup directory. Repeat when the other one has ended.',
  },
  backup_missing: {
    status: 404,
    title: 'There is no such backup',
    doc: 'The directory holds no backup that would do. `loadstone backup ls DIR` lists those there are.',
  },
  backup_damaged: {
    status: 500,
    title: 'A backup is damaged',
    doc: 'A file is missing, has another size or another SHA-256 than the manifest says, or does not open. Nothing was restored from it. Take another backup, and look at the disk.',
  },
  backup_key_invalid: {
    status: 500,
    title: 'The backup key cannot be used',
    doc: 'The file of `--key-file` cannot be read, or it or LOADSTONE_BACKUP_KEY holds less than 16 characters.',
  },
  backup_key_missing: {
    status: 500,
    title: 'The backup is encrypted and no key was given',
    doc: 'Give the key that the backup was made with: `--key-file FILE` or LOADSTONE_BACKUP_KEY.',
  },
  backup_key_wrong: {
    status: 500,
    title: 'The backup was encrypted with another key',
    doc: 'The manifest does not authenticate under the given key: it is another key, or somebody has forged the manifest.',
  },
  backup_base_needed: {
    status: 500,
    title: 'A new base backup is needed',
    doc: 'The write-ahead log cannot be joined to what the directory has: there is no base backup of this installation and timeline yet, or segments since the last copy are gone (the replication slot was lost or never there). Take one with `loadstone backup DIR`; earlier backups remain restorable up to their ends.',
  },
  backup_point_unreachable: {
    status: 422,
    title: 'The backups do not reach that point',
    doc: 'The time or LSN lies before the first base backup was complete, after the last copied write-ahead log, or in a hole between. The line names the nearest that can be had.',
  },
  backup_unsupported: {
    status: 500,
    title: 'This installation cannot be backed up that way',
    doc: 'It uses tablespaces or links to files that lie elsewhere, or `--wal` was asked of a Postgres of your own, of which only logical backups are taken.',
  },
  backup_version_wrong: {
    status: 500,
    title: 'The backup is of another version',
    doc: 'Its format, its Postgres, or its migrations are not those of this program. Restore with the Loadstone version that the manifest names, then upgrade.',
  },
  restore_target_unusable: {
    status: 500,
    title: 'Nothing can be restored there',
    doc: 'The target directory or database is not empty, or cannot be written. Nothing in it was touched.',
  },
  restore_failed: {
    status: 500,
    title: 'The restore did not succeed',
    doc: 'Postgres could not recover from the backup, or refused what was loaded. The line has its reason. The target is incomplete and holds no usable installation.',
  },
  master_key_needed: {
    status: 500,
    title: 'The master key is needed',
    doc: 'The backup does not contain the master key, because it is not encrypted or the key came from the environment. Give the one that the installation had: LOADSTONE_MASTER_KEY or `--master-key-file FILE`. Another key would leave its sealed secrets closed for ever.',
  },
  backup_schedule_invalid: {
    status: 422,
    title: 'The schedule cannot be used',
    doc: 'The cron pattern is malformed or names no time, or there is no schedule to take away.',
  },
});
