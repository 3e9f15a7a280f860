/**
 * A directory as the entries of an archive, read while others write into it.
 */
import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { backupErrors } from '../errors.ts';
import { codeOf } from './file-system.ts';
import type { TarEntry } from './tar.ts';

/** `contents`: the directory itself is kept, what is in it is not. `follow`: taken, also where it is a link to a directory. */
export type Choice = 'take' | 'follow' | 'skip' | 'contents';

const PIECE_BYTES = 262_144;

async function entriesIn(directory: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** As many bytes as the file had when it was opened; what has been cut off meanwhile reads as zeros. */
async function* readPieces(file: FileHandle, bytes: number): AsyncGenerator<Buffer> {
  for (let given = 0; given < bytes; ) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytes - given));
    const { bytesRead } = await file.read(piece, 0, piece.length, given);
    given += bytesRead === 0 ? piece.length : bytesRead;
    yield bytesRead === 0 ? piece : piece.subarray(0, bytesRead);
  }
}

async function* takeFile(file: string, path: string): AsyncGenerator<TarEntry> {
  const opened = await open(file, 'r').catch((error: unknown) => {
    // Dropped since the directory was listed.
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (!opened) return;
  try {
    const { size } = await opened.stat();
    yield { kind: 'file', path, bytes: size, read: () => readPieces(opened, size) };
  } finally {
    await opened.close();
  }
}

/**
 * All below `directory`, each directory before what is in it; sockets are left out.
 * @param choose is asked for each path below it
 * @throws backup_unsupported for a link that is not to be followed: what is behind it would be missing
 */
export async function* walkTree(
  directory: string,
  choose: (path: string, isDirectory: boolean) => Choice,
  signal: AbortSignal,
  below = '',
): AsyncGenerator<TarEntry> {
  for (const entry of await entriesIn(join(directory, below))) {
    signal.throwIfAborted();
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    const choice = choose(path, entry.isDirectory());
    if (choice === 'skip') continue;
    if (entry.isFile()) yield* takeFile(join(directory, path), path);
    if (entry.isSymbolicLink() && choice !== 'follow') {
      throw backupErrors.backup_unsupported({
        detail: `${join(directory, path)} is a link; put the files in its place`,
      });
    }
    if (!entry.isDirectory() && !entry.isSymbolicLink()) continue;
    yield { kind: 'directory', path };
    if (choice !== 'contents') yield* walkTree(directory, choose, signal, path);
  }
}

/** A small file that is rewritten in place: two equal reads in a row are one state of it. */
export async function readSettled(file: string): Promise<Buffer> {
  const print = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  let before = await readFile(file);
  for (;;) {
    const now = await readFile(file);
    if (print(now) === print(before)) return now;
    before = now;
  }
}
