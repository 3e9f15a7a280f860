/**
 * The ustar format (POSIX.1-1988), as far as a backup needs it: plain files and directories. So a backup that is not
 * encrypted can be unpacked without this program.
 */
import assert from 'node:assert/strict';
import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { backupErrors } from '../errors.ts';

export type TarEntry =
  | { kind: 'directory'; path: string }
  /** `read` gives exactly `bytes` bytes. */
  | { kind: 'file'; path: string; bytes: number; read(): AsyncIterable<Buffer> | Iterable<Buffer> };

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
/** Eleven octal digits. */
const FILE_BYTES_MAX = 8 ** 11 - 1;

function splitName(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= NAME_BYTES) return { name: path, prefix: '' };
  const at = path.indexOf('/', path.length - NAME_BYTES - 1);
  const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
  assert(at > 0 && Buffer.byteLength(prefix) <= PREFIX_BYTES, `a path that is too long for tar: ${path}`);
  return { name, prefix };
}

function headerOf(entry: TarEntry): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const isFile = entry.kind === 'file';
  const bytes = isFile ? entry.bytes : 0;
  assert(bytes <= FILE_BYTES_MAX, `a file that is too large for tar: ${entry.path}`);
  const { name, prefix } = splitName(isFile ? entry.path : `${entry.path}/`);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(name, 0);
  header.write(isFile ? octal(0o600, 7) : octal(0o700, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(bytes, 11), 124);
  header.write(octal(0, 11), 136);
  header.write('        ', 148);
  header.write(isFile ? '0' : '5', 156);
  header.write('ustar\x0000', 257, 'latin1');
  header.write(prefix, 345);
  header.write(`${octal(sumOf(header), 6)} `, 148);
  return header;
}

function sumOf(header: Buffer): number {
  return header.reduce((sum, byte) => sum + byte, 0);
}

const padding = (bytes: number) => Buffer.alloc((BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES);

/** The bytes of an archive. */
export async function* packTar(
  entries: AsyncIterable<TarEntry> | Iterable<TarEntry>,
): AsyncGenerator<Buffer> {
  for await (const entry of entries) {
    yield headerOf(entry);
    if (entry.kind === 'directory') continue;
    let given = 0;
    for await (const piece of entry.read()) {
      given += piece.length;
      yield piece;
    }
    assert.equal(given, entry.bytes, `${entry.path} gave as many bytes as it said`);
    if (entry.bytes % BLOCK_BYTES !== 0) yield padding(entry.bytes);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

/** Reads a stream in pieces of the reader's choosing. */
function createPieces(source: AsyncIterable<Buffer>) {
  const iterator = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  async function more(): Promise<boolean> {
    const { value, done } = await iterator.next();
    if (done) return false;
    rest = rest.length === 0 ? value : Buffer.concat([rest, value]);
    return true;
  }
  const cutOff = () => backupErrors.backup_damaged({ detail: 'an archive ends early' });
  return {
    async exactly(bytes: number): Promise<Buffer> {
      while (rest.length < bytes) if (!(await more())) throw cutOff();
      const taken = rest.subarray(0, bytes);
      rest = rest.subarray(bytes);
      return taken;
    },
    async *upTo(bytes: number): AsyncGenerator<Buffer> {
      for (let left = bytes; left > 0; ) {
        if (rest.length === 0 && !(await more())) throw cutOff();
        const taken = rest.subarray(0, left);
        rest = rest.subarray(taken.length);
        left -= taken.length;
        yield taken;
      }
    },
    async drain(): Promise<void> {
      do rest = Buffer.alloc(0);
      while (await more());
    },
  };
}

function readHeader(header: Buffer): { path: string; isFile: boolean; bytes: number } {
  const text = (at: number, length: number) =>
    header
      .subarray(at, at + length)
      .toString('utf8')
      .replace(/\0.*$/s, '');
  const sum = Number.parseInt(text(148, 8), 8);
  const blank = Buffer.from(header);
  blank.fill(' ', 148, 156);
  const [prefix, name, kind] = [text(345, PREFIX_BYTES), text(0, NAME_BYTES), text(156, 1)];
  const path = (prefix === '' ? name : `${prefix}/${name}`).replace(/\/$/, '');
  const isSafe = path !== '' && !path.startsWith('/') && !path.split('/').includes('..');
  if (sum !== sumOf(blank) || !isSafe || (kind !== '0' && kind !== '5')) {
    throw backupErrors.backup_damaged({ detail: `an archive has a header that nobody has written: ${path}` });
  }
  return { path, isFile: kind === '0', bytes: Number.parseInt(text(124, 12), 8) };
}

/**
 * Unpacks an archive below `directory`: directories of mode 0700, files of 0600. Existing files are not written over.
 * @throws backup_damaged, and what the file system says
 */
export async function unpackTar(source: AsyncIterable<Buffer>, directory: string): Promise<void> {
  const pieces = createPieces(source);
  for (;;) {
    const header = await pieces.exactly(BLOCK_BYTES);
    if (header.every((byte) => byte === 0)) break;
    const { path, isFile, bytes } = readHeader(header);
    const target = join(directory, path);
    mkdirSync(isFile ? dirname(target) : target, { recursive: true, mode: 0o700 });
    if (!isFile) continue;
    const content = Readable.from(pieces.upTo(bytes), { objectMode: false });
    await pipeline(content, createWriteStream(target, { flags: 'wx', mode: 0o600 }));
    await pieces.exactly(padding(bytes).length);
  }
  await pieces.drain();
}
