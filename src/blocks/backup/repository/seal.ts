/**
 * Encryption of a stream of any length in bounded memory: STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, Online
 * Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance, CRYPTO 2015), with AES-256-GCM, as age has it.
 *
 * The plain bytes are cut into chunks of 64 KiB, each sealed with a nonce that is its number (11 bytes, big-endian) and
 * whether it is the last (1 byte). So a chunk that is moved, left out or repeated does not open, nor does a stream that
 * ends early. The key belongs to one file only (key.ts derives it from the file's name), so no nonce is used twice under
 * one key, and a file does not open in the place of another.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { backupErrors } from '../errors.ts';

/** Of plain bytes; only the last chunk may have fewer, and only that of an empty stream none. */
export const CHUNK_BYTES = 65_536;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const CIPHER = 'aes-256-gcm';

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(number, 5, 6);
  nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return nonce;
}

interface Chunk {
  bytes: Buffer;
  isLast: boolean;
}

/** One chunk is held back until it is known whether more comes. */
async function* inChunks(source: AsyncIterable<Buffer>, chunkBytes: number): AsyncGenerator<Chunk> {
  let held: Buffer[] = [];
  let length = 0;
  for await (const piece of source) {
    held.push(piece);
    length += piece.length;
    if (length <= chunkBytes) continue;
    let all = Buffer.concat(held);
    for (; all.length > chunkBytes; all = all.subarray(chunkBytes)) {
      yield { bytes: all.subarray(0, chunkBytes), isLast: false };
    }
    held = [all];
    length = all.length;
  }
  yield { bytes: Buffer.concat(held), isLast: true };
}

/** @param key 32 bytes that nothing else has been or will be sealed with */
export async function* seal(source: AsyncIterable<Buffer>, key: Buffer): AsyncGenerator<Buffer> {
  let number = 0;
  for await (const { bytes, isLast } of inChunks(source, CHUNK_BYTES)) {
    const cipher = createCipheriv(CIPHER, key, nonceOf(number, isLast));
    const sealed = cipher.update(bytes);
    cipher.final();
    yield Buffer.concat([sealed, cipher.getAuthTag()]);
    number += 1;
  }
}

/**
 * Gives the plain bytes of a chunk only once it has authenticated; that all are there is known at the end.
 * @param what names it in the error
 * @throws backup_damaged
 */
export async function* unseal(
  source: AsyncIterable<Buffer>,
  key: Buffer,
  what: string,
): AsyncGenerator<Buffer> {
  let number = 0;
  for await (const { bytes, isLast } of inChunks(source, CHUNK_BYTES + TAG_BYTES)) {
    yield openChunk(bytes, { number, isLast, key, what });
    number += 1;
  }
}

function openChunk(
  bytes: Buffer,
  { number, isLast, key, what }: { number: number; isLast: boolean; key: Buffer; what: string },
): Buffer {
  const end = bytes.length - TAG_BYTES;
  const damaged = (cause?: unknown) =>
    backupErrors.backup_damaged({
      detail: `${what}: chunk ${number} does not open: altered, cut off, moved, or of another file`,
      cause,
    });
  if (end < 0 || (end === 0 && number > 0)) throw damaged();
  try {
    const decipher = createDecipheriv(CIPHER, key, nonceOf(number, isLast), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(end));
    return Buffer.concat([decipher.update(bytes.subarray(0, end)), decipher.final()]);
  } catch (cause) {
    throw damaged(cause);
  }
}
