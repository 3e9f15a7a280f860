/**
 * `global/pg_control`: what a Postgres that is not running says of itself (PostgreSQL source, `pg_control.h`; the package
 * ships no pg_controldata). Only the fields at its beginning, which have been the same since Postgres 12.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const VERSION_AT = 8;
const STATE_AT = 16;
const CHECKPOINT_AT = 32;
const VERSION_MIN = 1201;
const SHUT_DOWN = 1;

export interface ControlFile {
  /** Whether a primary was shut down cleanly: its last checkpoint is then the last thing in its log. */
  isShutDown: boolean;
  /** Where the last checkpoint's record begins, as Postgres writes positions. */
  checkpointLsn: string;
}

export function readControlFile(dataDirectory: string): ControlFile {
  const bytes = readFileSync(join(dataDirectory, 'global', 'pg_control'));
  const version = bytes.readUInt32LE(VERSION_AT);
  assert(version >= VERSION_MIN && version < 10_000, `pg_control has an unknown version: ${version}`);
  const checkpoint = bytes.readBigUInt64LE(CHECKPOINT_AT);
  return {
    isShutDown: bytes.readUInt32LE(STATE_AT) === SHUT_DOWN,
    checkpointLsn: formatLsn(checkpoint),
  };
}

/** `16/B374D848`: two halves in hexadecimal. */
function formatLsn(position: bigint): string {
  const half = (value: bigint) => value.toString(16).toUpperCase();
  return `${half(position >> 32n)}/${half(position & 0xffff_ffffn)}`;
}
