/**
 * A disk of a given size: a file system in memory, in a mount namespace that ends with the last process in it. Nothing of
 * it is seen by others but through /proc, and nothing of it is left.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { drillErrors } from '../errors.ts';

const PIECE = Buffer.alloc(1_048_576);
const BALLAST = 'ballast';

/** A user who is not root is one in a namespace of its own. */
function inNamespace(): string[] {
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return ['unshare', ...asRoot, '--mount', '/bin/sh', '-c'];
}

/**
 * What to run a command through, so that `directory`, which must be there, is such a disk for it and all that it starts.
 * @throws drill_impossible_here
 */
export function onBoundedDisk(directory: string, sizeMiB: number): string[] {
  const [file = '', ...args] = inNamespace();
  const probe = spawnSync(file, [...args, 'mount -t tmpfs none /tmp']);
  if (probe.status !== 0) {
    throw drillErrors.drill_impossible_here({
      detail:
        'a drill of a full disk mounts a file system in a namespace of its own, which this machine does not allow',
    });
  }
  return [file, ...args, `mount -t tmpfs -o size=${sizeMiB}m,mode=0700 none "$0" && exec "$@"`, directory];
}

/** A directory as the process sees it. */
export function seenBy(pid: number, directory: string): string {
  return join(`/proc/${pid}/root`, directory);
}

/** Takes all the room that is left. */
export function fillDisk(directory: string): void {
  const file = openSync(join(directory, BALLAST), 'w');
  try {
    for (;;) writeSync(file, PIECE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

export function makeRoom(directory: string): void {
  rmSync(join(directory, BALLAST));
}
