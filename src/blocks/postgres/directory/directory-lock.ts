/**
 * One server per data directory: a lock that the kernel keeps on `server.lock` (kernel-lock.ts), so that it is seen by
 * servers in other containers on the same volume, and gone with its holder, however that ended. What stands in the file
 * tells people and other commands who the holder is; it decides nothing.
 *
 * The file is removed when it is released. Whoever has opened it by then would have a lock on a file that nobody else
 * finds: so after locking it is looked whether the file is still the one of that name.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { isLoadstoneError } from '#base/errors';
import { embeddedErrors, toDataError } from '../errors.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from '../process/process-identity.ts';
import { openLocked } from './kernel-lock.ts';

export interface DirectoryLock {
  /** The holder: this process. */
  readonly pid: number;
  /** Safe to call twice. */
  release(): void;
}

/** Whoever wrote it, as that process saw itself. */
interface Holder extends ProcessIdentity {
  /** Absent in what versions wrote that had no lock of the kernel, and were judged by their pid. */
  host?: string;
  /** Of pids: another one's pids mean nothing here. Null where there are none. */
  namespace?: string | null;
}

const LOCK_FILE = 'server.lock';
/** Each turn means that another process took or released the lock in between. */
const TURNS_MAX = 100;
/** A command that looks whether a server runs has the lock for a millisecond, which is no reason to refuse. */
const BUSY_TURNS_MAX = 4;

/**
 * @param directory must exist
 * @throws data_in_use with the holder's pid; lock_unavailable; data_unwritable; data_disk_full
 */
export function lockDirectory(directory: string): DirectoryLock {
  return lockFile(join(directory, LOCK_FILE));
}

/** The same for a lock file of another name. @throws as `lockDirectory` */
export function lockFile(file: string): DirectoryLock {
  const directory = dirname(file);
  try {
    return acquire(file, directory);
  } catch (error) {
    throw isLoadstoneError(error) ? error : toDataError(error, directory);
  }
}

/**
 * The live process that holds the directory, by the pid that it has where it runs; undefined if none does. 0 for one that
 * has not yet said who it is.
 */
export function holderOf(directory: string): number | undefined {
  const file = join(directory, LOCK_FILE);
  try {
    const holder = readHolder(file);
    // Spares a lock that would be in the way of a server that starts at this moment.
    if (holder && isSeen(holder) && isAlive(holder)) return holder.pid;
    const fd = openLocked(file, 'shared');
    if (fd === undefined) return readHolder(file)?.pid ?? 0;
    closeSync(fd);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function acquire(file: string, directory: string): DirectoryLock {
  let busy = 0;
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const fd = openLocked(file, 'exclusive');
    if (fd === undefined) {
      if (++busy === BUSY_TURNS_MAX) throw inUse(directory, readHolder(file));
      continue;
    }
    try {
      if (!isFileOf(fd, file)) {
        closeSync(fd);
        continue;
      }
      refuseOlder(file, directory);
      writeHolder(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return held(fd, file);
  }
  throw embeddedErrors.data_in_use({
    detail: `${directory} is being locked and unlocked by other processes`,
  });
}

/** Whether the open file is the one that is found by that name now. */
export function isFileOf(fd: number, file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  const open = fstatSync(fd);
  return found?.ino === open.ino && found.dev === open.dev;
}

/** A server of a version that did not lock with the kernel's help: it lives where its pid does. */
function refuseOlder(file: string, directory: string): void {
  const found = readHolder(file);
  if (found && found.host === undefined && isAlive(found)) throw inUse(directory, found);
}

function writeHolder(fd: number): void {
  const self: Holder = {
    pid: process.pid,
    started: identifyProcess(process.pid)?.started ?? null,
    host: hostname(),
    namespace: pidNamespace(),
  };
  ftruncateSync(fd);
  writeSync(fd, `${JSON.stringify(self)}\n`, 0);
}

function held(fd: number, file: string): DirectoryLock {
  let isHeld = true;
  return {
    pid: process.pid,
    release() {
      if (!isHeld) return;
      isHeld = false;
      // Before it is let go of: from then on it may be another one's.
      if (isFileOf(fd, file)) rmSync(file, { force: true });
      closeSync(fd);
    },
  };
}

function inUse(directory: string, holder: Holder | undefined): Error {
  return embeddedErrors.data_in_use({ detail: `${directory} is in use by ${describe(holder)}` });
}

function describe(holder: Holder | undefined): string {
  if (!holder) return 'another server';
  const { pid, host } = holder;
  if (!isSeen(holder)) {
    return `another server (pid ${pid} of ${host}), which runs in another container or on another machine`;
  }
  return pid === process.pid ? `this process (pid ${pid})` : `another server (pid ${pid})`;
}

/** Whether its pid means here what it meant there. */
function isSeen({ host, namespace, started }: Holder): boolean {
  if (host === undefined) return true;
  if (namespace !== pidNamespace()) return false;
  const boot = (of: string | null | undefined) => of?.split('/')[0];
  return (
    boot(started) === boot(identifyProcess(process.pid)?.started) && (started !== null || host === hostname())
  );
}

function pidNamespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

/** Undefined without a file, and for a text that is not whole: its writer is at it, or a power cut came. */
function readHolder(file: string): Holder | undefined {
  try {
    const { pid, started, host, namespace } = JSON.parse(readFileSync(file, 'utf8')) as Holder;
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    return {
      pid,
      started: started ?? null,
      ...(host === undefined ? {} : { host, namespace: namespace ?? null }),
    };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && code !== 'ENOENT') throw error;
    return undefined;
  }
}
