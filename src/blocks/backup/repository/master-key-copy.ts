/**
 * The master key in a backup: inside an encrypted one, never inside another. A fingerprint tells whether the key that
 * comes with a restore is the one that the installation had.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMasterKey, type MasterKey } from '#base/master-key';
import type { Random } from '#base/random';
import { backupErrors } from '../errors.ts';
import type { Manifest } from './manifest.ts';

export const MASTER_KEY_FILE = 'master.key';

const FINGERPRINT_CHARS = 16;

/** Says nothing of the key to whoever does not have it: 32 random bytes are not guessed. */
export function fingerprintOf({ derive }: Pick<MasterKey, 'derive'>): string {
  return createHash('sha256').update(derive('backup/fingerprint')).digest('hex').slice(0, FINGERPRINT_CHARS);
}

export interface FoundMasterKey {
  fingerprint: string;
  /** As it lies in the data directory; undefined when it came from the environment. */
  text: string | undefined;
}

/** The key of an installation whose file holds it, if that is where it is from. */
export function describeMasterKey(
  dataDirectory: string,
  masterKey: MasterKey,
  random: Random,
): FoundMasterKey {
  const fingerprint = fingerprintOf(masterKey);
  const text = readKeyFile(dataDirectory);
  const isInFile = text !== undefined && fingerprintOf(parseMasterKey(text, random)) === fingerprint;
  return { fingerprint, text: isInFile ? text : undefined };
}

function readKeyFile(dataDirectory: string): string | undefined {
  const file = join(dataDirectory, MASTER_KEY_FILE);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

const parseMasterKey = (text: string, random: Random) =>
  createMasterKey(Buffer.from(text.trim(), 'base64url'), random);

/** As a server finds its key, but none is made. */
export function findMasterKey(
  dataDirectory: string,
  fromEnvironment: string | undefined,
  random: Random,
): FoundMasterKey | undefined {
  const text = fromEnvironment ?? readKeyFile(dataDirectory);
  return text === undefined
    ? undefined
    : describeMasterKey(dataDirectory, parseMasterKey(text, random), random);
}

/**
 * Refuses a restore that lacks the master key, or comes with another one.
 * @throws master_key_needed
 */
export function assertMasterKey({ masterKey }: Manifest, given: string | undefined, random: Random): void {
  const { kept, fingerprint } = masterKey;
  if (fingerprint === null || (given === undefined && kept === 'inside')) return;
  if (given === undefined) {
    throw backupErrors.master_key_needed({
      detail: 'the master key is not in this backup: set LOADSTONE_MASTER_KEY or give --master-key-file',
    });
  }
  if (fingerprintOf(parseMasterKey(given, random)) === fingerprint) return;
  throw backupErrors.master_key_needed({
    detail: 'the given master key is not the one that the installation had',
  });
}
