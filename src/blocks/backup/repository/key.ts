/**
 * The key of encrypted backups. A secret (a file, or LOADSTONE_BACKUP_KEY) is stretched by scrypt (RFC 7914) with the
 * salt that the manifest states, and from that each file of each backup gets a key of its own (HKDF, RFC 5869).
 */
import assert from 'node:assert/strict';
import { createHmac, hkdfSync, scrypt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Random } from '#base/random';
import { backupErrors } from '../errors.ts';
import { CHUNK_BYTES } from './seal.ts';

/** As the manifest states it. */
export interface Encryption {
  algorithm: 'STREAM-AES-256-GCM';
  chunkBytes: number;
  kdf: { name: 'scrypt'; cost: number; blockSize: number; parallelization: number; salt: string };
  /** Of this backup alone: part of what its files' keys are derived from. */
  nonce: string;
}

/** The keys of one backup. */
export interface BackupKeys {
  /** For the file of this name, and no other. */
  file(path: string): Buffer;
  /** Authenticates the manifest. */
  mac(text: string): string;
}

const SECRET_CHARS_MIN = 16;
const COST = 32_768;
const BLOCK_SIZE = 8;
const PARALLELIZATION = 1;
/** 128 MiB. Of a manifest that asks for more nothing is believed: it could be there to use up memory. */
const COST_MAX = 131_072;
const KEY_BYTES = 32;
const SALT_BYTES = 16;

/**
 * @param keyFile wins over `fromEnvironment`
 * @returns undefined when there is neither
 * @throws backup_key_invalid
 */
export function readBackupSecret(
  keyFile: string | undefined,
  fromEnvironment: string | undefined,
): string | undefined {
  if (keyFile === undefined && fromEnvironment === undefined) return undefined;
  const source = keyFile ?? 'LOADSTONE_BACKUP_KEY';
  const secret = (keyFile === undefined ? (fromEnvironment ?? '') : readSecretFile(keyFile)).trim();
  if (secret.length >= SECRET_CHARS_MIN) return secret;
  throw backupErrors.backup_key_invalid({
    detail: `${source} holds ${secret.length} characters; at least ${SECRET_CHARS_MIN} are needed, best from "openssl rand -base64 32"`,
  });
}

function readSecretFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw backupErrors.backup_key_invalid({ detail: `${file} cannot be read`, cause });
  }
}

/** @param salt of an earlier backup in the directory, so that one stretching serves for all of them */
export function newEncryption(random: Random, salt?: string): Encryption {
  return {
    algorithm: 'STREAM-AES-256-GCM',
    chunkBytes: CHUNK_BYTES,
    kdf: {
      name: 'scrypt',
      cost: COST,
      blockSize: BLOCK_SIZE,
      parallelization: PARALLELIZATION,
      salt: salt ?? random.bytes(SALT_BYTES).toString('base64url'),
    },
    nonce: random.bytes(SALT_BYTES).toString('base64url'),
  };
}

export interface Keyring {
  /** @throws backup_version_wrong for a construction that this program does not know */
  keysFor(encryption: Encryption): Promise<BackupKeys>;
}

/** Stretches the secret once for each salt: 0.1 s and 32 MiB. */
export function createKeyring(secret: string): Keyring {
  const stretched = new Map<string, Promise<Buffer>>();
  return {
    async keysFor(encryption) {
      refuseUnknown(encryption);
      const { kdf, nonce } = encryption;
      const name = JSON.stringify(kdf);
      const root = stretched.get(name) ?? stretch(secret, kdf);
      stretched.set(name, root);
      return makeKeys(await root, nonce);
    },
  };
}

function refuseUnknown({ algorithm, chunkBytes, kdf }: Encryption): void {
  const isKnown =
    algorithm === 'STREAM-AES-256-GCM' &&
    chunkBytes === CHUNK_BYTES &&
    kdf.name === 'scrypt' &&
    Number.isInteger(kdf.cost) &&
    kdf.cost >= COST &&
    kdf.cost <= COST_MAX &&
    Number.isInteger(Math.log2(kdf.cost)) &&
    kdf.blockSize === BLOCK_SIZE &&
    kdf.parallelization === PARALLELIZATION;
  if (isKnown) return;
  throw backupErrors.backup_version_wrong({ detail: `unknown encryption ${algorithm}, ${kdf.name}` });
}

function stretch(secret: string, { cost, blockSize, parallelization, salt }: Encryption['kdf']) {
  return new Promise<Buffer>((resolve, reject) => {
    const maxmem = 256 * cost * blockSize;
    const options = { cost, blockSize, parallelization, maxmem };
    scrypt(secret, Buffer.from(salt, 'base64url'), KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

function makeKeys(root: Buffer, nonce: string): BackupKeys {
  const derive = (purpose: string) => {
    assert(!purpose.includes('\0'), 'names of files have no NUL');
    return Buffer.from(hkdfSync('sha256', root, Buffer.from(nonce, 'base64url'), purpose, KEY_BYTES));
  };
  return {
    file: (path) => derive(`loadstone/backup/file/${path}`),
    mac: (text) => createHmac('sha256', derive('loadstone/backup/manifest')).update(text).digest('hex'),
  };
}
