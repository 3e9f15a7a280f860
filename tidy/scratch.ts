/**
 * Where a run of the tests keeps its temporary files: one directory, removed at the end. In memory where the machine has
 * room: the tests kill processes, not the machine, so no byte has to reach a disk, and a Postgres that makes its 1,300
 * files there starts in 0.1 s instead of 1.5 s.
 */
import {
  accessSync,
  chmodSync,
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEMORY = '/dev/shm';
/** Of statfs(2). */
const TMPFS_MAGIC = 0x01021994;
/** Of a command line, that is shown. */
const COMMAND_MAX = 120;
const FREE_BYTES_MIN = 4 * 2 ** 30;

function hasRoomInMemory(): boolean {
  try {
    accessSync(MEMORY, constants.W_OK | constants.X_OK);
    const { type, bavail, bsize } = statfsSync(MEMORY);
    return type === TMPFS_MAGIC && bavail * bsize >= FREE_BYTES_MIN;
  } catch {
    // Not on this machine.
    return false;
  }
}

/** Where a Postgres listened. That of a killed server stays for the next start on its data, which some tests never make. */
const SOCKET_DIRECTORY = /^loadstone-\d+-[0-9a-f]{12}$/;

export interface Scratch {
  /** What the tests are told of it. */
  env: Record<string, string>;
  /** For what the runner itself keeps in it. */
  own: string;
  /** What the tests have left: files by name, processes by their command line. */
  look(): string[];
  /** Removes it, and ends what is left of the tests. */
  remove(): void;
}

/** The processes that were started by a test: they have its temporary directory in their environment or command line. */
function processesOf(directory: string): { pid: number; command: string }[] {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      // One that has ended and is not yet waited for has neither.
      return `${command}\0${environment}`.includes(directory) ? [{ pid, command }] : [];
    } catch {
      // It has ended, or is somebody else's.
      return [];
    }
  });
}

/** Short, since sockets are made below it. */
export function makeScratch(): Scratch {
  const directory = mkdtempSync(join(hasRoomInMemory() ? MEMORY : tmpdir(), 'ls-'));
  // Some tests act as another user.
  chmodSync(directory, 0o1777);
  const [clusters, own] = [mkdtempSync(join(directory, 'clusters-')), mkdtempSync(join(directory, 'own-'))];
  const isOurs = (name: string) =>
    [clusters, own].includes(join(directory, name)) || SOCKET_DIRECTORY.test(name);
  return {
    env: { TMPDIR: directory, LOADSTONE_TEST_CLUSTERS: clusters },
    own,
    look: () => [
      ...readdirSync(directory).filter((name) => !isOurs(name)),
      ...readdirSync(clusters).filter((name) => name.startsWith('draft-')),
      ...processesOf(directory).map(({ pid, command }) => `process ${pid}: ${command.slice(0, COMMAND_MAX)}`),
    ],
    remove() {
      for (const { pid } of processesOf(directory)) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        }
      }
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
