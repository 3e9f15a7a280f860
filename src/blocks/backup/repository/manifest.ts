/**
 * What a backup says of itself: `manifest.json`, written last. A backup without one is unfinished.
 *
 * The text has one spelling only, and ends with the SHA-256 of what it says (and, of an encrypted backup, its HMAC), so
 * that a byte that has changed anywhere in it is found.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { backupErrors } from '../errors.ts';
import type { BackupKeys, Encryption } from './key.ts';
import { manifestShape } from './manifest-shape.ts';
import type { StoredFile } from './stored-file.ts';

export const FORMAT = 1;
export const MANIFEST_FILE = 'manifest.json';

/** `physical`: a whole copy of Postgres's directory. `wal`: the log since the copy before. `logical`: the rows. */
export type BackupKind = 'physical' | 'wal' | 'logical';

/** Which part of the write-ahead log a physical or a `wal` backup holds. LSNs as Postgres writes them, `0/16B3740`. */
export interface HeldLog {
  systemIdentifier: string;
  /** Another one in each restored copy: those share all else, timeline included. */
  incarnation: string;
  timeline: number;
  segmentBytes: number;
  /** Numbers of the first and the last segment, from 0. */
  firstSegment: number;
  lastSegment: number;
  /** Recovery can be told to stop at any LSN up to this one: something was written behind it. */
  markedLsn: string;
}

/** How a copy of the directory is brought to a state that was. */
export interface Base {
  startLsn: string;
  stopLsn: string;
  /** From here on the copy can be restored to any time. */
  consistentAt: string;
}

export interface MigrationState {
  room: string;
  /** Of the last one applied. */
  number: number;
}

export interface Manifest {
  format: typeof FORMAT;
  kind: BackupKind;
  name: string;
  /** The version of the program that took it. */
  loadstone: string;
  beganAt: string;
  endedAt: string;
  /** Whatever was acknowledged before this time is in it. */
  statedAt: string;
  postgres: { version: string };
  log: HeldLog | null;
  base: Base | null;
  migrations: MigrationState[];
  /** `apart`: it is not in the backup, and the restore asks for it. */
  masterKey: { kept: 'inside' | 'apart'; fingerprint: string | null };
  /** Of a logical backup: what of the catalogue migrations do not make. */
  tables: LogicalTables | null;
  encryption: Encryption | null;
  files: StoredFile[];
}

export interface LogicalTables {
  /** Made at run time: `create table … partition of …`. */
  partitions: { schema: string; name: string; parent: string; bounds: string }[];
  contents: { schema: string; name: string; columns: string[]; path: string; rows: number }[];
  sequences: { schema: string; name: string; lastValue: string | null }[];
}

/** What is sure of a manifest whose MAC nobody has compared. */
export interface ReadManifest {
  manifest: Manifest;
  mac: string | null;
}

export const textOf = (manifest: Manifest): string => JSON.stringify(manifest);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** Of what it says, and of its MAC, which could not be told to have changed by those who have no key. */
const digestOf = (manifest: Manifest, mac: string | null) => sha256(`${textOf(manifest)}${mac ?? ''}`);

export function renderManifest(manifest: Manifest, keys: BackupKeys | undefined): string {
  const mac = keys ? keys.mac(textOf(manifest)) : null;
  const sealed = { manifest, sha256: digestOf(manifest, mac), mac };
  return `${JSON.stringify(sealed, null, 2)}\n`;
}

/**
 * @param directory of the backup
 * @throws backup_damaged, backup_version_wrong
 */
export function readManifest(directory: string): ReadManifest {
  const file = join(directory, MANIFEST_FILE);
  const damaged = (problem: string, cause?: unknown) =>
    backupErrors.backup_damaged({ detail: `${file} ${problem}`, cause });
  let sealed: { manifest?: Manifest; sha256?: string; mac?: string | null };
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
    sealed = JSON.parse(text);
  } catch (cause) {
    throw damaged('cannot be read', cause);
  }
  const { manifest, mac = null } = sealed;
  // The second is what versions before wrote, and is no digest of what this one writes.
  const digests = manifest ? [digestOf(manifest, mac), digestOf(manifest, null)] : [];
  if (!manifest || !digests.includes(sealed.sha256 ?? '')) throw damaged('does not have its own SHA-256');
  if (text !== `${JSON.stringify({ manifest, sha256: sealed.sha256, mac }, null, 2)}\n`) {
    throw damaged('is not as it was written');
  }
  if (manifest.format !== FORMAT) {
    throw backupErrors.backup_version_wrong({
      detail: `${file} has format ${manifest.format}, by Loadstone ${manifest.loadstone}; this program knows ${FORMAT}`,
    });
  }
  if (!manifestShape.fits(manifest)) throw damaged('is not one that a backup writes');
  return { manifest, mac };
}
