/**
 * One server per data directory: `server.lock` names the process that holds it. Node has no flock(2), so the lock is a
 * file that is made whole (written aside, then linked into place, so that one of many wins) and that counts only while
 * its process lives. It is taken over from a dead holder under a second lock, named after the dead holder's text: only
 * whoever has that one may replace the text, so two that find the same dead holder cannot both win.
 *
 * Not seen: a server in another pid namespace (a second container on the same volume). Its pid cannot be judged from
 * here, and refusing would keep a killed container from coming back.
 */
import { createHash } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isLoadstoneError } from '#base/errors';
import type { Random } from '#base/random';
import { embeddedErrors, toDataError } from './errors.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts';

export interface DirectoryLock {
  /** The holder: this process. */
  readonly pid: number;
  /** Safe to call twice. */
  release(): void;
}

const LOCK_FILE = 'server.lock';
/** Each turn means that another process took or released the lock in between. */
const TURNS_MAX = 100;

/**
 * @param directory must exist
 * @throws data_in_use with the holder's pid; data_unwritable; data_disk_full
 */
export function lockDirectory(directory: string, random: Random): DirectoryLock {
  return lockFile(join(directory, LOCK_FILE), random);
}

/** The same for a lock file of another name. @throws as `lockDirectory` */
export function lockFile(file: string, random: Random): DirectoryLock {
  const directory = dirname(file);
  try {
    return acquire(file, directory, random);
  } catch (error) {
    throw isLoadstoneError(error) ? error : toDataError(error, directory);
  }
}

/** The live process that holds the directory; undefined if none does. */
export function holderOf(directory: string): number | undefined {
  const found = readIfThere(join(directory, LOCK_FILE));
  const holder = found === undefined ? undefined : parseHolder(found);
  return holder && isAlive(holder) ? holder.pid : undefined;
}

function acquire(file: string, directory: string, random: Random): DirectoryLock {
  const nonce = random.bytes(9).toString('hex');
  const text = `${JSON.stringify({ ...identifyProcess(process.pid), nonce })}\n`;
  const draft = `${file}.${nonce}`;
  writeFileSync(draft, text, { flag: 'wx', mode: 0o644 });
  try {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      if (linkIfFree(draft, file)) return held(file, text);
      const found = readIfThere(file);
      if (found === undefined) continue;
      const holder = parseHolder(found);
      if (holder && isAlive(holder)) throw inUse(directory, holder.pid);
      if (takeOver(file, found, draft, directory, random)) return held(file, text);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw embeddedErrors.data_in_use({
    detail: `${directory} is being locked and unlocked by other processes`,
  });
}

/** Replaces the text of a dead holder; false if somebody else was faster. */
function takeOver(file: string, dead: string, draft: string, directory: string, random: Random): boolean {
  const name = createHash('sha256').update(dead).digest('hex').slice(0, 16);
  const claim = acquire(`${file}.${name}`, directory, random);
  try {
    if (readIfThere(file) !== dead) return false;
    renameSync(draft, file);
    return true;
  } finally {
    claim.release();
  }
}

function held(file: string, text: string): DirectoryLock {
  return {
    pid: process.pid,
    release() {
      if (readIfThere(file) === text) rmSync(file, { force: true });
    },
  };
}

function inUse(directory: string, pid: number): Error {
  const who = pid === process.pid ? `this process (pid ${pid})` : `another server (pid ${pid})`;
  return embeddedErrors.data_in_use({ detail: `${directory} is in use by ${who}` });
}

function linkIfFree(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined for a text that is not whole, as a power cut may leave it: its holder is dead. */
function parseHolder(text: string): ProcessIdentity | undefined {
  try {
    const { pid, started } = JSON.parse(text) as ProcessIdentity;
    return Number.isInteger(pid) && pid > 0 ? { pid, started: started ?? null } : undefined;
  } catch {
    return undefined;
  }
}
