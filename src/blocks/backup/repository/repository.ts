/**
 * A directory of backups: one directory for each, named by time and kind. What is being written ends in `.draft`, and gets
 * its name by a rename when all of it is on the disk; drafts of the dead are removed by whoever writes next.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock';
import { isLoadstoneError, type LoadstoneError } from '#base/errors';
import { lockDirectory, syncDirectory } from '#blocks/postgres';
import { backupErrors } from '../errors.ts';
import { codeOf, makeDirectory, toTargetError } from './file-system.ts';
import type { BackupKeys } from './key.ts';
import {
  type BackupKind,
  MANIFEST_FILE,
  type Manifest,
  type ReadManifest,
  readManifest,
  renderManifest,
} from './manifest.ts';
import { isThere } from './stored-file.ts';

/** One backup in the directory; `problem` when its manifest cannot be believed. */
export type Entry = { name: string; directory: string } & (
  | ({ problem: undefined } & ReadManifest)
  | { problem: LoadstoneError }
);

export type GoodEntry = Extract<Entry, { problem: undefined }>;

const DRAFT = '.draft';
const NAME = /^\d{8}T\d{9}Z-(physical|wal|logical)$/;
const OURS = /^(\d{8}T\d{9}Z-(physical|wal|logical)(\.draft)?|server\.lock.*|lost\+found)$/;

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw toTargetError(error, directory);
  }
}

function readEntry(directory: string, name: string): Entry {
  const place = { name, directory: join(directory, name) };
  try {
    const read = readManifest(place.directory);
    if (read.manifest.name !== name) {
      throw backupErrors.backup_damaged({ detail: `${place.directory} is ${read.manifest.name}, renamed` });
    }
    const lacking = read.manifest.files.find((file) => !isThere(place.directory, file));
    if (lacking === undefined) return { ...place, problem: undefined, ...read };
    throw backupErrors.backup_damaged({
      detail: `${join(place.directory, lacking.path)} is missing, or not as long as it was`,
    });
  } catch (problem) {
    if (!isLoadstoneError(problem)) throw problem;
    return { ...place, problem };
  }
}

/**
 * The finished backups of a directory, oldest first; of each the manifest is read, and its files are glanced at.
 * @throws backup_target_unusable
 */
export function listBackups(directory: string): Entry[] {
  return namesIn(directory)
    .filter((name) => NAME.test(name))
    .map((name) => readEntry(directory, name));
}

/** Whether the manifest can be believed. */
export const isGood = (entry: Entry): entry is GoodEntry => entry.problem === undefined;

export interface Draft {
  name: string;
  /** Where its files are written. */
  directory: string;
  /** Writes the manifest and gives the backup its name: from then on it counts. */
  publish(manifest: Manifest, keys: BackupKeys | undefined): void;
}

export interface Repository {
  readonly directory: string;
  newDraft(kind: BackupKind): Draft;
  /** Removes backups whole, by name. */
  remove(names: readonly string[]): void;
  release(): void;
}

function syncTree(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) syncTree(join(directory, entry.name));
  }
  syncDirectory(directory);
}

function nameAt(ms: number, kind: BackupKind): string {
  return `${new Date(ms).toISOString().replaceAll(/[-:.]/g, '')}-${kind}`;
}

function lock(directory: string) {
  try {
    return lockDirectory(directory);
  } catch (error) {
    if (isLoadstoneError(error) && error.code === 'data_in_use') {
      throw backupErrors.backup_in_progress({ detail: error.message, retryAfterS: 60, cause: error });
    }
    const cause = isLoadstoneError(error) ? error.cause : error;
    throw toTargetError(cause ?? error, directory);
  }
}

function refuseForeign(directory: string): void {
  const foreign = namesIn(directory).find((name) => !OURS.test(name));
  if (foreign === undefined) return;
  throw backupErrors.backup_target_unusable({
    detail: `${directory} holds ${foreign}, which is no backup; name a directory of its own`,
  });
}

const TIME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z/;

function timeIn(name: string): number {
  const ms = Date.parse(name.slice(0, 19).replace(TIME, '$1-$2-$3T$4:$5:$6.$7Z'));
  return Number.isNaN(ms) ? 0 : ms;
}

/** Behind all that are there: names stand in the order of the backups, also when the clock stands still or steps back. */
function makeDraft(directory: string, kind: BackupKind, nowMs: number): string {
  const taken = namesIn(directory).filter((name) => NAME.test(name));
  const name = nameAt(Math.max(nowMs, ...taken.map((each) => timeIn(each) + 1)), kind);
  mkdirSync(join(directory, `${name}${DRAFT}`), { mode: 0o700 });
  return name;
}

/**
 * Takes the directory for writing: made if missing, used by one process at a time, rid of what was left unfinished.
 * @throws backup_in_progress, backup_target_unusable, backup_disk_full
 */
export function openRepository(directory: string, { clock }: { clock: Clock }): Repository {
  try {
    makeDirectory(directory);
    refuseForeign(directory);
  } catch (error) {
    throw toTargetError(error, directory);
  }
  const held = lock(directory);
  const dropTree = (name: string) => rmSync(join(directory, name), { recursive: true, force: true });
  try {
    namesIn(directory)
      .filter((name) => name.endsWith(DRAFT))
      .forEach(dropTree);
  } catch (error) {
    held.release();
    throw toTargetError(error, directory);
  }
  return {
    directory,
    newDraft(kind) {
      const name = makeDraft(directory, kind, clock.nowMs());
      const draft = join(directory, `${name}${DRAFT}`);
      return {
        name,
        directory: draft,
        publish(manifest, keys) {
          writeFileSync(join(draft, MANIFEST_FILE), renderManifest(manifest, keys), {
            flag: 'wx',
            mode: 0o600,
            flush: true,
          });
          syncTree(draft);
          renameSync(draft, join(directory, name));
          syncDirectory(directory);
        },
      };
    },
    remove(names) {
      for (const name of names) {
        // Under a draft's name first, so that one that is removed in part is not taken for a whole one.
        renameSync(join(directory, name), join(directory, `${name}${DRAFT}`));
        dropTree(`${name}${DRAFT}`);
      }
      if (names.length > 0) syncDirectory(directory);
    },
    release: held.release,
  };
}

/** Removes a draft that has come to nothing; what cannot be removed now is left to the next backup. */
export function dropDraft({ directory }: Draft): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch {
    // The reason for which it came to nothing is being told.
  }
}
