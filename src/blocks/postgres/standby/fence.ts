/**
 * The fence: a file in the directory of a former primary. A directory that has it is never started as a primary again,
 * whatever `database.json` says by then, because a copy of that file may be older than the promotion.
 */
import { chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syncDirectory } from '../directory/sync-directory.ts';
import { embeddedErrors } from '../errors.ts';
import type { Account } from '../process/launch.ts';

const FENCE_FILE = 'fenced';
/** Postgres's own mark of a standby; it removes it when it is promoted. */
const STANDBY_FILE = 'standby.signal';

/** Not read by any program: for the person who finds it. */
export interface Fence {
  term: number;
  primary: string;
}

/** On disk when this returns. Does nothing where there is no directory. */
export function fenceDirectory(directory: string, fence: Fence, account: Account): void {
  if (!existsSync(directory) || isFenced(directory)) return;
  writeOwned(join(directory, FENCE_FILE), `${JSON.stringify(fence)}\n`, account);
}

export function isFenced(directory: string): boolean {
  return existsSync(join(directory, FENCE_FILE));
}

/** Has Postgres follow a primary when it is started there. */
export function markStandby(directory: string, account: Account): void {
  writeOwned(join(directory, STANDBY_FILE), '', account);
}

export function isStandby(directory: string): boolean {
  return existsSync(join(directory, STANDBY_FILE)) && !isFenced(directory);
}

/** @throws postgres_fenced if a standby has been promoted in the place of this primary: it is fenced, or one itself by now */
export function refuseFenced(directory: string): void {
  const fence = join(directory, FENCE_FILE);
  const what = existsSync(fence)
    ? `was the primary until a standby was promoted (${readFileSync(fence, 'utf8').trim()})`
    : existsSync(join(directory, STANDBY_FILE)) && 'is a standby';
  if (!what) return;
  throw embeddedErrors.postgres_fenced({
    detail: `${directory} ${what}, but database.json beside it names it as the primary: it is older than the last promotion, or missing; put the newer one back`,
  });
}

function writeOwned(file: string, text: string, { uid, gid }: Account): void {
  writeFileSync(file, text, { mode: 0o600, flush: true });
  if (process.getuid?.() !== uid) chownSync(file, uid, gid);
  syncDirectory(join(file, '..'));
}
