/**
 * The files that this process writes: one at a time, begun lazily, closed by size and age. Writes are synchronous,
 * because into the page cache a group takes 2 to 10 µs, while a trip through the thread pool takes 30 and more of
 * processor time; syncs, which wait for the disk, are not.
 *
 * A file: open ──full, old or untrusted──▶ closed ──all shipped──▶ deleted. It is written only while open.
 */
import { closeSync, fdatasync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '#base/clock';
import { fileNameOf } from './file-names.ts';
import { FILE_MARK } from './frames.ts';
import { syncDirectory } from './sync-directory.ts';

/** A file as far as it holds acknowledged records: those with first ≤ sequence < end, in its first `bytes`. */
export interface JournalFile {
  readonly path: string;
  readonly first: number;
  readonly end: number;
  readonly bytes: number;
}

export interface OwnFile extends JournalFile {
  end: number;
  bytes: number;
  /** Bytes written, acknowledged or not. */
  size: number;
  fd: number;
  beganMs: number;
  /** Whether the directory is known to be on disk with this file in it. */
  isListed: boolean;
  isSyncing: boolean;
  isOpen: boolean;
}

/** Where a group begins: what follows it can be taken back. */
export interface Mark {
  file: OwnFile | undefined;
  size: number;
}

export interface FilesOptions {
  directory: string;
  journalId: string;
  fileBytesMax: number;
  fileAgeMsMax: number;
}

export interface OwnFiles {
  /** Oldest first. */
  list(): readonly JournalFile[];
  /** Bytes on disk. */
  bytes(): number;
  /** Where the next write goes, in a new file if the last is full or old. */
  mark(): Mark;
  /** Writes the first `length` bytes. @param sequence that of the first record in a file that this begins. @throws what the file system does */
  write(buffer: Buffer, length: number, sequence: number): OwnFile;
  /**
   * Takes back what was written since the mark. Does not fail: a file that cannot be cut is written no more.
   * @param file where it was written; undefined if no write of it has succeeded
   */
  undo(mark: Mark, file: OwnFile | undefined): void;
  /** Resolves when all that is written to the file is on disk. After a failure nothing more may be written to it. */
  sync(file: OwnFile): Promise<void>;
  acknowledge(file: OwnFile, end: number, size: number): void;
  /** Closes the file that is being written: the next write begins another. */
  closeFile(options?: { ifDue: boolean }): void;
  /** Deletes the closed files whose records are all below `sequence`. */
  release(sequence: number): Promise<void>;
}

const datasync = promisify(fdatasync);

function writeAll(fd: number, bytes: Uint8Array, length: number, position: number): void {
  for (let written = 0; written < length; ) {
    written += writeSync(fd, bytes, written, length - written, position + written);
  }
}

function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The next file has the same name, and begins with emptying it.
  }
}

/** @param directory must exist, and belong to this process alone */
export function createOwnFiles(options: FilesOptions, { clock }: { clock: Clock }): OwnFiles {
  const { directory, journalId, fileBytesMax, fileAgeMsMax } = options;
  let files: OwnFile[] = [];
  let current: OwnFile | undefined;
  let total = 0;

  function begin(sequence: number): OwnFile {
    const path = join(directory, fileNameOf(journalId, sequence));
    // Not exclusively: one of that name was taken back whole, but could not be deleted.
    const fd = openSync(path, 'w', 0o600);
    try {
      writeAll(fd, FILE_MARK, FILE_MARK.length, 0);
    } catch (error) {
      closeSync(fd);
      removeIfPossible(path);
      throw error;
    }
    const size = FILE_MARK.length;
    const records = { first: sequence, end: sequence, bytes: size, size };
    const state = { isListed: false, isSyncing: false, isOpen: true };
    const file = { path, fd, beganMs: clock.monotonicMs(), ...records, ...state };
    files.push(file);
    total += size;
    return file;
  }

  function isDue({ size, beganMs }: OwnFile): boolean {
    return size >= fileBytesMax || clock.monotonicMs() - beganMs >= fileAgeMsMax;
  }

  function close(file: OwnFile): void {
    if (file === current) current = undefined;
    if (!file.isOpen || file.isSyncing) return;
    file.isOpen = false;
    closeSync(file.fd);
  }

  /** By its path, because a closed file's descriptor may be another file's by now. */
  function cut(file: OwnFile, size: number): void {
    try {
      truncateSync(file.path, size);
      total -= file.size - size;
      file.size = size;
    } catch {
      // What is left behind the acknowledged records is skipped by every reader: the next file says where it begins.
      close(file);
    }
  }

  function drop(file: OwnFile): void {
    close(file);
    files = files.filter((each) => each !== file);
    total -= file.size;
  }

  return {
    list: () => files,
    bytes: () => total,
    mark() {
      if (current && isDue(current)) close(current);
      return { file: current, size: current?.size ?? 0 };
    },
    write(buffer, length, sequence) {
      current ??= begin(sequence);
      writeAll(current.fd, buffer, length, current.size);
      current.size += length;
      total += length;
      return current;
    },
    undo(mark, file = current) {
      if (file === undefined) return;
      if (file === mark.file) return cut(file, mark.size);
      drop(file);
      removeIfPossible(file.path);
    },
    async sync(file) {
      file.isSyncing = true;
      try {
        await datasync(file.fd);
        if (!file.isListed) await syncDirectory(directory);
        file.isListed = true;
      } finally {
        file.isSyncing = false;
        if (file !== current) close(file);
      }
    },
    acknowledge(file, end, size) {
      file.end = end;
      file.bytes = size;
    },
    closeFile({ ifDue } = { ifDue: false }) {
      if (current && (!ifDue || isDue(current))) close(current);
    },
    async release(sequence) {
      const shipped = files.filter((file) => file !== current && !file.isSyncing && file.end <= sequence);
      for (const file of shipped) {
        await rm(file.path, { force: true });
        drop(file);
      }
    },
  };
}
