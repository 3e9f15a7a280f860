/**
 * The data directory: made when missing, private, writable, and used by one server at a time.
 */
import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import { serverErrors } from '../errors.ts';

function describe(directory: string, error: NodeJS.ErrnoException): string {
  const reasons: Record<string, string> = {
    EACCES: 'this user may not write there',
    EPERM: 'this user may not write there',
    ENOENT: 'nothing can be made there',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    ENOTDIR: 'a part of the path is a file',
    EEXIST: 'it is a file',
  };
  return `data directory ${directory}: ${reasons[error.code ?? ''] ?? error.message}`;
}

/** Parents first. Node's own recursive form never returns on file systems such as /proc, where nothing can be made. */
function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(directory).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(directory))) throw error;
    makeDirectory(dirname(directory));
    mkdirSync(directory, { mode: 0o700 });
  }
}

/** Proves that a file can be written, since free space and permission show only then. */
function prove(directory: string): void {
  const probe = join(directory, `.probe-${process.pid}`);
  try {
    makeDirectory(directory);
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    writeFileSync(probe, Buffer.alloc(4096));
  } catch (cause) {
    throw serverErrors.data_directory_unusable({
      detail: describe(directory, cause as NodeJS.ErrnoException),
      cause,
    });
  } finally {
    removeProbe(probe);
  }
}

function removeProbe(probe: string): void {
  try {
    rmSync(probe, { force: true });
  } catch {
    // It was never made, for the reason that is being told.
  }
}

/** @param lock takes the directory for this process and gives the way to let go of it */
export function createDataDirectory(
  directory: string,
  lock: (directory: string) => { release(): void },
): Lifecycle {
  let held: { release(): void } | undefined;
  return createLifecycle('data directory', {
    async start() {
      prove(directory);
      held = lock(directory);
    },
    async stop() {
      held?.release();
    },
  });
}
