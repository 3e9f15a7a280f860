/**
 * Whether backups are as they were written, without restoring them.
 */
import { isLoadstoneError } from '#base/errors';
import { backupErrors } from '../errors.ts';
import { type BackupKeys, createKeyring, type Keyring } from './key.ts';
import { textOf } from './manifest.ts';
import { type Entry, type GoodEntry, isGood, listBackups } from './repository.ts';
import { type StoredFile, verifyStored } from './stored-file.ts';

/** The keys of a backup, for one secret or none. */
export interface Opener {
  /**
   * Undefined for a backup that is not encrypted.
   * @throws backup_key_missing, backup_key_wrong
   */
  keysOf(entry: GoodEntry): Promise<BackupKeys | undefined>;
}

export function createOpener(secret: string | undefined): Opener {
  const keyring: Keyring | undefined = secret === undefined ? undefined : createKeyring(secret);
  return {
    async keysOf({ directory, manifest, mac }) {
      if (manifest.encryption === null) return undefined;
      if (!keyring) {
        throw backupErrors.backup_key_missing({
          detail: `${directory} is encrypted: give its key with --key-file or LOADSTONE_BACKUP_KEY`,
        });
      }
      const keys = await keyring.keysFor(manifest.encryption);
      if (mac === keys.mac(textOf(manifest))) return keys;
      throw backupErrors.backup_key_wrong({
        detail: `${directory} was encrypted with another key, or its manifest is forged`,
      });
    },
  };
}

/** Whether the backup was encrypted with this secret. */
export async function isOpenedBy(entry: GoodEntry, secret: string): Promise<boolean> {
  try {
    return (await createOpener(secret).keysOf(entry)) !== undefined;
  } catch (error) {
    if (isLoadstoneError(error)) return false;
    throw error;
  }
}

/** Compares files with the manifest. @throws backup_damaged */
export async function verifyFiles(
  { directory }: GoodEntry,
  files: readonly StoredFile[],
  signal: AbortSignal,
): Promise<void> {
  for (const file of files) await verifyStored(directory, file, signal);
}

export interface Checked {
  name: string;
  problem: Error | undefined;
}

async function checkOne(entry: Entry, opener: Opener | undefined, signal: AbortSignal): Promise<Checked> {
  const { name } = entry;
  try {
    if (!isGood(entry)) throw entry.problem;
    await opener?.keysOf(entry);
    await verifyFiles(entry, entry.manifest.files, signal);
    return { name, problem: undefined };
  } catch (error) {
    signal.throwIfAborted();
    return { name, problem: error as Error };
  }
}

/**
 * Reads every file of every backup in a directory. Checksums need no key; with one, manifests are authenticated too.
 * @throws backup_missing, backup_target_unusable, the signal's reason
 */
export async function checkBackups(
  directory: string,
  secret: string | undefined,
  signal: AbortSignal,
): Promise<Checked[]> {
  const entries = listBackups(directory);
  if (entries.length === 0) throw backupErrors.backup_missing({ detail: `${directory} holds no backups` });
  const opener = secret === undefined ? undefined : createOpener(secret);
  const checked: Checked[] = [];
  for (const entry of entries) checked.push(await checkOne(entry, opener, signal));
  return checked;
}
