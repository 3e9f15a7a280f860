/**
 * The master key seals secrets at rest. It comes from the environment, or from a file of mode 0600 in the data
 * directory that is made on first start. It is never logged. Keys for single uses are derived from it (HKDF, RFC 5869),
 * so that no two uses share one.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { defineErrors } from './errors.ts';
import type { Random } from './random.ts';

export const masterKeyErrors = defineErrors('base', {
  master_key_invalid: {
    status: 500,
    title: 'The master key cannot be used',
    doc: 'LOADSTONE_MASTER_KEY or the file `master.key` in the data directory is not 32 bytes in base64url, or others may read the file; or a process that joins another has not been given the key that the other has from its environment. The server does not start.',
  },
  sealed_unreadable: {
    status: 500,
    title: 'A sealed secret cannot be opened',
    doc: 'The secret was sealed with another master key, or for another use, or has been altered.',
  },
});

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const SEAL_VERSION = 1;

export interface MasterKey {
  /** A 32-byte key for one purpose. */
  derive(purpose: string): Buffer;
  /** AES-256-GCM; only the same purpose opens it. Layout: version (1) · iv (12) · tag (16) · ciphertext. */
  seal(purpose: string, plain: Uint8Array): Buffer;
  open(purpose: string, sealed: Uint8Array): Buffer;
}

export function createMasterKey(secret: Uint8Array, random: Random): MasterKey {
  // Purposes are few, and to derive a key and have it checked costs more than to seal a kilobyte.
  const sealing = new Map<string, KeyObject>();

  function derive(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `loadstone/${purpose}`, KEY_BYTES));
  }

  function sealingKey(purpose: string): KeyObject {
    const known = sealing.get(purpose);
    if (known) return known;
    const key = createSecretKey(derive(`seal/${purpose}`));
    sealing.set(purpose, key);
    return key;
  }
  return {
    derive,
    seal(purpose, plain) {
      const iv = random.bytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', sealingKey(purpose), iv);
      const body = cipher.update(plain);
      // GCM keeps nothing back: this gives no bytes, and makes the tag.
      cipher.final();
      return Buffer.concat([Buffer.of(SEAL_VERSION), iv, cipher.getAuthTag(), body]);
    },
    open(purpose, sealed) {
      try {
        const bytes = Buffer.from(sealed);
        if (bytes[0] !== SEAL_VERSION) throw new Error(`unknown seal version ${bytes[0]}`);
        const iv = bytes.subarray(1, 1 + IV_BYTES);
        const decipher = createDecipheriv('aes-256-gcm', sealingKey(purpose), iv);
        decipher.setAuthTag(bytes.subarray(1 + IV_BYTES, 1 + IV_BYTES + TAG_BYTES));
        return Buffer.concat([decipher.update(bytes.subarray(1 + IV_BYTES + TAG_BYTES)), decipher.final()]);
      } catch (cause) {
        throw masterKeyErrors.sealed_unreadable({ detail: `sealed for ${purpose}`, cause });
      }
    },
  };
}

/** A master key for parts that are made before its file can be read: asking it for anything before that is a defect. */
export function deferMasterKey(): { masterKey: MasterKey; set(loaded: MasterKey): void } {
  let key: MasterKey | undefined;
  function ready(): MasterKey {
    assert(key, 'the master key has not been read yet');
    return key;
  }
  return {
    masterKey: {
      derive: (purpose) => ready().derive(purpose),
      seal: (purpose, plain) => ready().seal(purpose, plain),
      open: (purpose, sealed) => ready().open(purpose, sealed),
    },
    set(loaded) {
      key = loaded;
    },
  };
}

function parseSecret(text: string, source: string): Buffer {
  const secret = Buffer.from(text.trim(), 'base64url');
  if (secret.length !== KEY_BYTES || secret.toString('base64url') !== text.trim().replace(/=+$/, '')) {
    throw masterKeyErrors.master_key_invalid({ detail: `${source} is not ${KEY_BYTES} bytes in base64url` });
  }
  return secret;
}

/**
 * Reads the key from `fromEnvironment`, else from `dataDirectory/master.key`, which is made if it is missing.
 * Two processes that make it at once agree: the file is written aside and linked into place, so one wins.
 * @param isShared another process has the key: where there is no file, that one's came from its environment
 * @throws master_key_invalid
 */
export function loadMasterKey(
  dataDirectory: string,
  fromEnvironment: string | undefined,
  random: Random,
  { isShared = false }: { isShared?: boolean } = {},
): MasterKey {
  if (fromEnvironment !== undefined) {
    return createMasterKey(parseSecret(fromEnvironment, 'LOADSTONE_MASTER_KEY'), random);
  }
  const file = join(dataDirectory, 'master.key');
  const existing = readIfThere(file);
  if (existing === undefined && isShared) {
    throw masterKeyErrors.master_key_invalid({
      detail: `${file} does not exist: the server that runs there has its key from LOADSTONE_MASTER_KEY, and this process needs the same`,
    });
  }
  if (existing === undefined) createKeyFile(file, random);
  if ((statSync(file).mode & 0o077) !== 0) {
    throw masterKeyErrors.master_key_invalid({
      detail: `${file} may be read by others; run chmod 600 on it`,
    });
  }
  return createMasterKey(parseSecret(existing ?? readFileSync(file, 'utf8'), file), random);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function createKeyFile(file: string, random: Random): void {
  const draft = `${file}.${random.bytes(6).toString('hex')}`;
  const fd = openSync(draft, 'wx', 0o600);
  try {
    writeSync(fd, `${random.bytes(KEY_BYTES).toString('base64url')}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
}
