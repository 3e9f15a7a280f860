/**
 * What a shipper sees of a journal: files that end somewhere, and may be deleted when all in them has been shipped.
 */
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Log } from '#base/log';
import type { DirectoryLock } from '#blocks/postgres';
import { firstSequenceOf } from '../files/file-names.ts';
import type { JournalFile } from '../files/files.ts';
import { checkFrames, FILE_MARK, seedOf } from '../files/frames.ts';
import { syncDirectory } from '../files/sync-directory.ts';

export interface JournalSource {
  readonly journalId: string;
  /** Whether records may still be appended. */
  readonly isOwn: boolean;
  /** Oldest first. */
  files(): readonly JournalFile[];
  /** The sequence after the last acknowledged record. */
  end(): number;
  /** Bytes on disk. */
  bytes(): number;
  /** Deletes files whose records are all below `sequence`. */
  release(sequence: number): Promise<void>;
  /** Whether writing fails, so that `release` may help although there is nothing to ship. */
  wantsRoom(): boolean;
  /** Deletes the directory, durably. For one that is not our own, when all of it has been shipped. */
  remove(): Promise<void>;
  /** Gives the directory back as it is. */
  close(): void;
}

const SCAN_BYTES = 1024 * 1024;

/**
 * Opens the directory of a journal whose process has ended. What follows the last whole record of its last file is cut
 * off; damage further in front (a power cut can leave it, a killed process cannot) is found when it is read.
 */
export async function adoptSource(
  directory: string,
  journalId: string,
  lock: DirectoryLock,
  { log }: { log: Log },
): Promise<JournalSource> {
  let files = await listFiles(directory, journalId);
  const last = files.at(-1);
  if (last) files[files.length - 1] = await cutTail(last, journalId, log);
  const end = files.at(-1)?.end ?? 0;
  return {
    journalId,
    isOwn: false,
    files: () => files,
    end: () => end,
    bytes: () => files.reduce((sum, { bytes }) => sum + bytes, 0),
    async release(sequence) {
      const shipped = files.filter((file) => file.end <= sequence);
      for (const file of shipped) await rm(file.path, { force: true });
      files = files.filter((file) => !shipped.includes(file));
    },
    wantsRoom: () => false,
    async remove() {
      await rm(directory, { recursive: true, force: true });
      await syncDirectory(dirname(directory));
    },
    close: () => lock.release(),
  };
}

/** A file ends where the next begins; the end of the last is not known yet. */
async function listFiles(directory: string, journalId: string): Promise<JournalFile[]> {
  const found: JournalFile[] = [];
  for (const entry of await readdir(directory)) {
    const first = firstSequenceOf(journalId, entry);
    if (first === undefined) continue;
    const path = join(directory, entry);
    const handle = await open(path, 'r');
    const { size } = await handle.stat().finally(() => handle.close());
    found.push({ path, first, end: first, bytes: size });
  }
  found.sort((a, b) => a.first - b.first);
  return found.map((file, i) => ({ ...file, end: found[i + 1]?.first ?? file.first }));
}

async function cutTail(file: JournalFile, journalId: string, log: Log): Promise<JournalFile> {
  const handle = await open(file.path, 'r+');
  try {
    const whole = await scan(handle, file, seedOf(journalId));
    const cutBytes = file.bytes - whole.bytes;
    if (cutBytes > 0) {
      await handle.truncate(whole.bytes);
      log.warn(
        { journalId, file: file.path, cutBytes, keptBytes: whole.bytes, records: whole.end - file.first },
        'the torn tail of a journal was cut off',
      );
    }
    return { ...file, ...whole };
  } finally {
    await handle.close();
  }
}

/** How far the file holds whole records, one after the other. */
async function scan(handle: FileHandle, { first }: JournalFile, seed: number) {
  const buffer = Buffer.allocUnsafe(SCAN_BYTES);
  const whole = { end: first, bytes: FILE_MARK.length };
  if (!(await hasMark(handle))) return { ...whole, bytes: 0 };
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, whole.bytes);
    const { at, sequence } = checkFrames(buffer.subarray(0, bytesRead), whole.end, seed);
    if (at === 0) return whole;
    whole.end = sequence;
    whole.bytes += at;
  }
}

/** Whether the file begins as a journal's file does. */
export async function hasMark(handle: FileHandle): Promise<boolean> {
  const mark = Buffer.alloc(FILE_MARK.length);
  await handle.read(mark, 0, mark.length, 0);
  return mark.equals(FILE_MARK);
}
