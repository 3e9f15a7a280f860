/**
 * Backups of a real Postgres, without a server.
 */
import { join } from 'node:path';
import { systemClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { makeTestDirectory, startTestDatabase } from '#fixtures/database';
import { type BackupDeps, type BackupRequest, takeBackup } from './backup.ts';
import { backupMigrations } from './migrations.ts';
import { findSource } from './source.ts';

export const never = new AbortController().signal;

export const backupDeps: BackupDeps = {
  clock: systemClock,
  random: systemRandom,
  signal: never,
  version: '0.0.0',
  report: () => {},
};

/** An empty installation, a directory for its backups, and a way to take them. */
export async function startBackedUp() {
  const started = await startTestDatabase({ migrations: [backupMigrations] });
  const directory = join(makeTestDirectory(), 'backups');
  const source = findSource({ primary: undefined, dataDirectory: started.dataDirectory }, undefined);
  return {
    ...started,
    directory,
    source,
    take: (request: Partial<BackupRequest> = {}, deps: Partial<BackupDeps> = {}) =>
      takeBackup(
        source,
        { directory, what: 'base', secret: undefined, ...request },
        { ...backupDeps, ...deps },
      ),
  };
}
