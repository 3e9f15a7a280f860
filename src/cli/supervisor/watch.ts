/**
 * `start --watch`: tells when a file of a directory has changed. Each directory has a watcher of its own, since a recursive one
 * of Node goes through node_modules too, and they are looked for anew after each change.
 */
import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock, Timer } from '#base/clock';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import { isSystemPath } from '#server/systems/systems';
import { cliErrors } from '../errors.ts';

/** A file is often written in several steps, and several files are saved at once. */
const QUIET_MS = 150;
const DIRECTORIES_MAX = 1000;

export interface WatchOptions {
  directories: readonly string[];
  /** A directory that is left out, wherever it is: where the server itself writes. */
  except: string;
}

export interface WatchDeps {
  clock: Clock;
  log: Log;
  /** @param file the last one that has changed */
  onChange: (file: string) => void;
}

/** Where the systems are that have been named by a path: a directory, or that of a file. */
export function directoriesOf(systems: readonly string[]): string[] {
  const paths = systems.filter(isSystemPath);
  return [...new Set(paths.map((path) => (statSync(path).isDirectory() ? path : dirname(path))))];
}

/** What others put into it, editors leave for a moment, or a server writes to. */
function isIgnored(name: string): boolean {
  return name === 'node_modules' || /^\.|~$|\.log$/.test(name);
}

/** The directory and all below it. */
function below(directory: string, except: string): string[] {
  const found = [directory];
  for (let at = 0; at < found.length; at++) {
    const parent = found[at] as string;
    for (const entry of entriesOf(parent)) {
      const path = join(parent, entry.name);
      if (entry.isDirectory() && !isIgnored(entry.name) && path !== except) found.push(path);
    }
    if (found.length > DIRECTORIES_MAX)
      throw cliErrors.watch_impossible({
        detail: `watch: ${directory} has more than ${DIRECTORIES_MAX} directories`,
      });
  }
  return found;
}

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (cause) {
    // It has gone since it was found; so have its files, of which the directory above tells.
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return [];
    throw cliErrors.watch_impossible({ detail: `watch: ${directory} cannot be read`, cause });
  }
}

export function createWatch(
  { directories, except }: WatchOptions,
  { clock, log, onChange }: WatchDeps,
): Lifecycle {
  const watchers = new Map<string, FSWatcher>();
  let quiet: Timer | undefined;

  function onEvent(directory: string, name: string | null): void {
    const path = join(directory, name ?? '');
    if (path === except || (name !== null && isIgnored(name))) return;
    // A directory of this name may be another one now, which the old watcher does not see.
    if (name !== null) drop(path);
    quiet?.cancel();
    quiet = clock.after(QUIET_MS, () => tell(path), 'background');
  }

  function tell(file: string): void {
    try {
      look();
    } catch (error) {
      log.error({ err: error }, 'changes of some directories are not seen');
    }
    onChange(file);
  }

  function add(directory: string): void {
    try {
      const watcher = watch(directory, (_, name) => onEvent(directory, name));
      watcher.on('error', (error) =>
        log.error({ err: error, directory }, 'a directory is not watched any more'),
      );
      watchers.set(directory, watcher);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw cliErrors.watch_impossible({ detail: `watch: ${directory} cannot be watched`, cause });
    }
  }

  function drop(directory: string): void {
    watchers.get(directory)?.close();
    watchers.delete(directory);
  }

  /** Brings the watchers in line with the directories that there are. */
  function look(): void {
    const wanted = new Set(directories.flatMap((directory) => below(directory, except)));
    for (const directory of watchers.keys()) if (!wanted.has(directory)) drop(directory);
    for (const directory of wanted) if (!watchers.has(directory)) add(directory);
  }

  return createLifecycle('watch', {
    async start() {
      look();
    },
    async stop() {
      quiet?.cancel();
      for (const watcher of watchers.values()) watcher.close();
    },
  });
}
