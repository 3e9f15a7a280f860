/**
 * Waits for a change in some directories: told by the kernel where that works, and looking now and then all the same (a
 * network file system tells of nothing that another machine has done).
 */
import { type FSWatcher, watch } from 'node:fs';
import type { Clock } from '#base/clock';

export interface ChangeWatch {
  /** Until something has changed since the last wait, or for so long. @throws the signal's reason */
  wait(msMax: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** What changes together is looked at together. */
const SETTLE_MS = 10;
/** Where the kernel does not tell. */
const UNTOLD_MS = 200;

/** @param directories those to watch now; asked again at each wait */
export function createChangeWatch(clock: Clock, directories: () => readonly string[]): ChangeWatch {
  const watchers = new Map<string, FSWatcher>();
  let hasChanged = false;
  let wake: (() => void) | undefined;

  function changed(): void {
    hasChanged = true;
    wake?.();
  }

  function forget(directory: string): void {
    watchers.get(directory)?.close();
    watchers.delete(directory);
  }

  /** @returns whether all of them are watched */
  function watchAll(): boolean {
    const wanted = new Set(directories());
    for (const directory of watchers.keys()) if (!wanted.has(directory)) forget(directory);
    for (const directory of wanted) {
      if (watchers.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, changed);
        // One that is removed is looked for again at the next wait.
        watcher.on('error', () => forget(directory));
        watchers.set(directory, watcher);
      } catch {
        // Not there yet, or the kernel has no watch left.
      }
    }
    return [...wanted].every((directory) => watchers.has(directory));
  }

  return {
    async wait(msMax, signal) {
      signal.throwIfAborted();
      const waitMs = watchAll() ? msMax : Math.min(msMax, UNTOLD_MS);
      await new Promise<void>((resolve, reject) => {
        const end = () => {
          timer.cancel();
          wake = undefined;
          signal.removeEventListener('abort', onAbort);
        };
        const done = () => {
          end();
          resolve();
        };
        const onAbort = () => {
          end();
          reject(signal.reason);
        };
        let timer = clock.after(hasChanged ? SETTLE_MS : waitMs, done, 'background');
        wake = () => {
          wake = undefined;
          timer.cancel();
          timer = clock.after(SETTLE_MS, done, 'background');
        };
        if (hasChanged) wake = undefined;
        signal.addEventListener('abort', onAbort, { once: true });
      });
      hasChanged = false;
    },
    close() {
      for (const directory of [...watchers.keys()]) forget(directory);
    },
  };
}
