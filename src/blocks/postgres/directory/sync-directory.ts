import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Makes what was created in, renamed into or removed from a directory survive a power cut. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
