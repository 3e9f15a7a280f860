/**
 * One Postgres per directory, whoever started it. The server's own lock ends with the server; its Postgres may live for a
 * moment longer, or for good where nothing ties it, and a server in another container cannot see it by a pid. So Postgres
 * holds a lock of its own: a file that it and all its processes inherit, open and locked. It is free when the last of them
 * has ended.
 */
import { closeSync, existsSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Clock, sleep } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { embeddedErrors, toDataError } from '../errors.ts';
import { isFileOf } from './directory-lock.ts';
import { openLocked } from './kernel-lock.ts';

export interface PostgresLock {
  /** Whether it is ours now, and so no Postgres that another one has started runs on the directory. */
  take(): boolean;
  /**
   * Waits for it. @returns the open file that a Postgres shall inherit
   * @throws data_in_use when `signal` aborts before, since then somebody unseen has it
   */
  taken(signal: AbortSignal): Promise<number>;
  /** Safe to call twice. What our Postgres still has of it, it keeps until it has ended. */
  release(): void;
}

const POLL_MS = 50;
const TURNS_MAX = 10;

/** @param dataDirectory of Postgres; its parent must exist */
export function createPostgresLock(dataDirectory: string, { clock }: { clock: Clock }): PostgresLock {
  const file = join(dirname(dataDirectory), `server.lock.${basename(dataDirectory)}`);
  let fd: number | undefined;

  function open(): number | undefined {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const opened = openLocked(file, 'exclusive');
      if (opened === undefined || isFileOf(opened, file)) return opened;
      closeSync(opened);
    }
    return undefined;
  }

  function take(): boolean {
    try {
      fd ??= open();
    } catch (error) {
      throw isLoadstoneError(error) ? error : toDataError(error, dirname(dataDirectory));
    }
    return fd !== undefined;
  }

  return {
    take,
    async taken(signal) {
      while (!take()) {
        await sleep(clock, POLL_MS, signal).catch((cause: unknown) => refuseUnseen(dataDirectory, cause));
      }
      return fd as number;
    },
    release() {
      if (fd === undefined) return;
      closeSync(fd);
      fd = undefined;
      if (!existsSync(file)) return;
      // Only if nothing of our Postgres has it any more: else the next one would lock another file of that name.
      fd = open();
      if (fd === undefined) return;
      rmSync(file, { force: true });
      closeSync(fd);
      fd = undefined;
    },
  };
}

/** When the time to wait for somebody is up whom we do not find by a pid. @param cause why the wait has ended */
export function refuseUnseen(dataDirectory: string, cause: unknown): never {
  if (!isLoadstoneError(cause) || cause.code !== 'postgres_start_timeout') throw cause;
  throw embeddedErrors.data_in_use({
    detail: `a Postgres runs in ${dataDirectory} that is not seen from here: the server that started it has ended, in another container or on another machine; stop what is left there`,
    cause,
  });
}
