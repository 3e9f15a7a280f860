/**
 * Reads a journal's records in order. Damage is passed over, and told: from a damaged record to the end of what its
 * file holds, since where the next one begins is not known.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Log } from '#base/log';
import { hasMark, type JournalSource } from '../shipping/source.ts';
import type { JournalFile } from './files.ts';
import { FILE_MARK, type JournalRecord, parseFrames, type Run, seedOf } from './frames.ts';

export interface Batch {
  /** Views of a buffer that the next call of `read` fills anew. Empty if there are none, or only damaged ones. */
  records: readonly JournalRecord[];
  /** Where to go on. */
  next: number;
}

export interface Reader {
  /** Up to `recordsMax` acknowledged records, and up to 1 MiB, from the sequence `from` on. */
  read(from: number, recordsMax: number): Promise<Batch>;
  close(): Promise<void>;
}

interface Position {
  path: string;
  handle: FileHandle;
  /** How far it has been read. */
  read: Run;
  /** Where the last batch began: it may be asked for again. */
  before: Run;
}

/** Holds the largest record four times over. */
const READ_BYTES = 1024 * 1024;

export function createReader(source: JournalSource, { log }: { log: Log }): Reader {
  const { journalId } = source;
  const seed = seedOf(journalId);
  /** Only while reading: there may be many sources, of which one is read at a time. */
  let buffer: Buffer | undefined;
  let position: Position | undefined;

  async function close(): Promise<void> {
    const { handle } = position ?? {};
    position = undefined;
    buffer = undefined;
    await handle?.close();
  }

  /** Goes to or before the record `from` of `file`; undefined for a file that is gone or is none of ours. */
  async function seek(file: JournalFile, from: number): Promise<Position | undefined> {
    if (position?.path === file.path) {
      const known = [position.read, position.before].find(({ sequence }) => sequence <= from);
      if (known) {
        position.read = known;
        return position;
      }
    }
    await close();
    const handle = await openIfThere(file.path);
    if (!handle) return undefined;
    const start = { at: FILE_MARK.length, sequence: file.first };
    position = { path: file.path, handle, read: start, before: start };
    return (await hasMark(handle)) ? position : undefined;
  }

  function passOver(file: JournalFile, { at, sequence }: Run): Batch {
    log.error(
      { journalId, file: file.path, records: file.end - sequence, bytes: file.bytes - at },
      'records of a journal are damaged and lost',
    );
    return { records: [], next: file.end };
  }

  async function readOn(
    file: JournalFile,
    place: Position,
    from: number,
    recordsMax: number,
  ): Promise<Batch> {
    buffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      const { at, sequence } = place.read;
      const wanted = Math.min(buffer.length, file.bytes - at);
      const { bytesRead } = await place.handle.read(buffer, 0, wanted, at);
      const options = { seed, sequence, from, end: file.end, recordsMax };
      const { records, ...run } = parseFrames(buffer.subarray(0, bytesRead), options);
      if (run.at === 0) {
        place.read = { at: file.bytes, sequence: file.end };
        return passOver(file, { at, sequence: Math.max(from, sequence) });
      }
      place.before = place.read;
      place.read = { at: at + run.at, sequence: run.sequence };
      if (records.length > 0) return { records, next: run.sequence };
    }
  }

  return {
    async read(from, recordsMax) {
      const found = source.files().find((file) => file.end > from);
      if (!found) return { records: [], next: from };
      if (found.first > from) {
        log.error({ journalId, records: found.first - from }, 'records of a journal are missing');
        return { records: [], next: found.first };
      }
      // As far as it goes now: more may be appended while we read.
      const file = { ...found };
      const place = await seek(file, from);
      return place ? readOn(file, place, from, recordsMax) : passOver(file, { at: 0, sequence: from });
    },
    close,
  };
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
