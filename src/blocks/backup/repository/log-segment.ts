/**
 * The write-ahead log as files of a fixed size: how they are named, and how one is known for what it should be.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { backupErrors } from '../errors.ts';
import { codeOf } from './file-system.ts';

/** `16/B374D848` as a number of bytes since the log began. */
export function lsnToBytes(lsn: string): bigint {
  const [high = '', low = ''] = lsn.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/** Whether the text is a position of the log as Postgres writes it. */
export const isLsn = (text: string): boolean => /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i.test(text);

/** The segment that holds the byte at `lsn`. */
export const segmentOf = (lsn: string, segmentBytes: number): number =>
  Number(lsnToBytes(lsn) / BigInt(segmentBytes));

/** The segment that holds the last byte before `lsn`. */
export const segmentBefore = (lsn: string, segmentBytes: number): number =>
  Number((lsnToBytes(lsn) - 1n) / BigInt(segmentBytes));

export function segmentName(timeline: number, segment: number, segmentBytes: number): string {
  const perId = 2 ** 32 / segmentBytes;
  const part = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  return `${part(timeline)}${part(Math.floor(segment / perId))}${part(segment % perId)}`;
}

export interface Segment {
  dataDirectory: string;
  timeline: number;
  segment: number;
  segmentBytes: number;
}

const PIECE_BYTES = 262_144;
/** xlp_magic, xlp_info, xlp_tli, xlp_pageaddr (xlog_internal.h), little-endian on all machines that we run on. */
const HEADER = { timelineAt: 4, addressAt: 8, bytes: 16 } as const;

function isWanted(header: Buffer, { segment, segmentBytes }: Segment): boolean {
  if (header.length < HEADER.bytes) return false;
  return header.readBigUInt64LE(HEADER.addressAt) === BigInt(segment) * BigInt(segmentBytes);
}

/** Postgres uses the files of old segments again, under another name: what was read of one then is not sure. */
async function isStill(path: string, file: FileHandle): Promise<boolean> {
  const named = await stat(path).catch(() => undefined);
  return named?.ino === (await file.stat()).ino;
}

/**
 * The bytes of a closed segment out of `pg_wal`.
 * @throws backup_base_needed when Postgres has removed it, or uses the file for a later one by now
 */
export async function* readSegment(wanted: Segment): AsyncGenerator<Buffer> {
  const { dataDirectory, timeline, segment, segmentBytes } = wanted;
  const name = segmentName(timeline, segment, segmentBytes);
  const gone = () =>
    backupErrors.backup_base_needed({
      detail: `segment ${name} of the write-ahead log is not there any more; take a new base backup`,
    });
  const path = join(dataDirectory, 'pg_wal', name);
  const file = await open(path, 'r').catch((error: unknown) => {
    throw codeOf(error) === 'ENOENT' ? gone() : error;
  });
  try {
    let given = 0;
    while (given < segmentBytes) {
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, segmentBytes - given));
      const { bytesRead } = await file.read(piece, 0, piece.length, given);
      if (bytesRead === 0 || (given === 0 && !isWanted(piece.subarray(0, bytesRead), wanted))) throw gone();
      given += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
    if (!(await isStill(path, file))) throw gone();
  } finally {
    await file.close();
  }
}
