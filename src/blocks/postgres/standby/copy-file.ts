/**
 * Copies a file that somebody may be writing, shortening or removing meanwhile. Node's own copyFile was rejected: its
 * loop asks for as many bytes as the file had at first, and does not end when the file has become shorter.
 */
import { type FileHandle, open } from 'node:fs/promises';

const CHUNK_BYTES = 1 << 18;

/**
 * @param target must not exist
 * @returns how many bytes were read until the end was met; undefined when the file is gone
 */
export async function copyFile(
  source: string,
  target: string,
  { signal, owner }: { signal: AbortSignal; owner: { uid: number; gid: number } | undefined },
): Promise<number | undefined> {
  signal.throwIfAborted();
  const from = await openIfThere(source);
  if (!from) return undefined;
  try {
    const to = await open(target, 'wx', 0o600);
    try {
      if (owner) await to.chown(owner.uid, owner.gid);
      return await pour(from, to, signal);
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function pour(from: FileHandle, to: FileHandle, signal: AbortSignal): Promise<number> {
  const { size } = await from.stat();
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK_BYTES, size + 1)));
  let total = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await from.read(buffer, 0, buffer.length, total);
    if (bytesRead === 0) return total;
    let written = 0;
    while (written < bytesRead) {
      written += (await to.write(buffer, written, bytesRead - written, total + written)).bytesWritten;
    }
    total += bytesRead;
  }
}
