/**
 * Which process a pid means. A pid alone is not enough: it is given out again after its process has ended. On Linux
 * the boot id and the start time (proc(5): /proc/<pid>/stat, field 22) tell one holder of a pid from the next;
 * elsewhere only whether the pid is alive is known.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';

export interface ProcessIdentity {
  pid: number;
  /** `<boot id>/<start time in ticks>`; null where /proc does not tell. */
  started: string | null;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** The fields of /proc/<pid>/stat from the third on; the second (the name) may itself hold spaces and brackets. */
function statFields(pid: number): string[] | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function isSignallable(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The live process of that pid; undefined if there is none, or only a zombie that waits to be reaped. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (!isSignallable(pid)) return undefined;
  const fields = statFields(pid);
  if (fields === undefined) return { pid, started: null };
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const boot = readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
  return { pid, started: `${boot}/${fields[19]}` };
}

/** Whether that very process is alive. A start time unknown on either side counts as equal, to be careful. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  if (now === undefined) return false;
  return now.started === null || identity.started === null || now.started === identity.started;
}

/** Whether the process works in `directory`; undefined where /proc does not tell (macOS). */
export function worksIn(pid: number, directory: string): boolean | undefined {
  try {
    const here = statSync(`/proc/${pid}/cwd`);
    const there = statSync(directory);
    return here.dev === there.dev && here.ino === there.ino;
  } catch {
    return readIfThere('/proc/self/stat') === undefined ? undefined : false;
  }
}

/**
 * The Postgres processes that work in a data directory, a killed postmaster's orphans among them: those are in sessions
 * of their own, so no process group finds them. Empty where there is no /proc.
 */
export function postgresProcessesIn(directory: string): number[] {
  let pids: number[];
  try {
    pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
  return pids.filter((pid) => worksIn(pid, directory) === true && isPostgres(pid));
}

function isPostgres(pid: number): boolean {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`)).startsWith('postgres');
  } catch {
    return false;
  }
}
