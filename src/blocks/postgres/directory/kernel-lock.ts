/**
 * A lock that the kernel keeps on an open file (flock(2)): seen from every pid namespace, gone the moment the last process
 * that has the file open has ended, and inherited by children that are given the file.
 *
 * Node cannot call flock(2). On Linux flock(1) of util-linux takes the lock on a file that we have opened and hand to it:
 * the lock belongs to the open file, so it stays ours when the program has ended (2.6 ms). On macOS open(2) can take it.
 * Why not SQLite's lock, a package, or a pid: docs/decisions/0006-directory-lock.md.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { embeddedErrors } from '../errors.ts';
import { findProgram, PROGRAM_ENVIRONMENT } from '../process/program-environment.ts';

/** `exclusive` makes the file if it is missing; `shared` only looks, and several may have it at once. */
export type LockKind = 'exclusive' | 'shared';

/** What macOS's open(2) takes beyond POSIX: O_SHLOCK, O_EXLOCK. */
const OPEN_LOCKED = { shared: 0x10, exclusive: 0x20 };
/** Which end of a list of files flock(1) is given: the fourth, after the three that every program has. */
const INHERITED_FD = '3';
/** Of flock(1): somebody else has it. All its other codes mean that it could not try. */
const CONFLICT = 1;

/**
 * @returns the open file, which holds the lock until it is closed; undefined if another open file has one against it
 * @throws lock_unavailable, and the errors of open(2)
 */
export function openLocked(file: string, kind: LockKind): number | undefined {
  const { O_RDONLY, O_RDWR, O_CREAT, O_NONBLOCK } = constants;
  const flags = kind === 'exclusive' ? O_RDWR | O_CREAT : O_RDONLY;
  if (process.platform !== 'linux') {
    try {
      return openSync(file, flags | OPEN_LOCKED[kind] | O_NONBLOCK, 0o644);
    } catch (error) {
      if (['EAGAIN', 'EWOULDBLOCK'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  }
  const fd = openSync(file, flags, 0o644);
  try {
    if (lock(fd, kind, file)) return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

function lock(fd: number, kind: LockKind, file: string): boolean {
  const program = findProgram('flock');
  if (program === undefined) {
    throw embeddedErrors.lock_unavailable({
      detail: `${file} cannot be locked: there is no flock program; install util-linux`,
    });
  }
  // Options that BusyBox's flock has too.
  const how = kind === 'exclusive' ? '-x' : '-s';
  const { status, stderr, error } = spawnSync(program, ['-n', how, INHERITED_FD], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    env: PROGRAM_ENVIRONMENT,
    encoding: 'utf8',
  });
  if (status === 0) return true;
  if (status === CONFLICT) return false;
  const why = error ? (error as NodeJS.ErrnoException).code : stderr.trim() || `flock ended with ${status}`;
  throw embeddedErrors.lock_unavailable({ detail: `${file} cannot be locked: ${why}`, cause: error });
}
