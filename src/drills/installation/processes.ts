/**
 * The processes of this machine, as far as a drill must tell its own apart: who is whose child, and what works where.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { drillErrors } from '../errors.ts';

export interface ProcessRow {
  pid: number;
  parentPid: number;
  /** Of the program, at most 15 characters. */
  name: string;
  args: readonly string[];
  /** Working directory; empty where it may not be read. */
  cwd: string;
}

/** The text of a file or link of /proc; undefined once its process has ended. */
function tryRead(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Pure: one line of `/proc/<pid>/stat` (proc(5)); the name may hold spaces and parentheses. */
export function parseStat(text: string): { name: string; state: string; parentPid: number } | undefined {
  const close = text.lastIndexOf(')');
  const open = text.indexOf('(');
  const [state = '', parent = ''] = text.slice(close + 2).split(' ');
  if (open === -1 || close === -1 || !/^\d+$/.test(parent)) return undefined;
  return { name: text.slice(open + 1, close), state, parentPid: Number(parent) };
}

function readProcess(pid: number): ProcessRow[] {
  const stat = parseStat(tryRead(() => readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? '');
  // One that has ended and waits for its parent to notice (Z, X) does nothing any more.
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return [];
  const args = (tryRead(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '')
    .split('\0')
    .filter(Boolean);
  const cwd = tryRead(() => readlinkSync(`/proc/${pid}/cwd`)) ?? '';
  return [{ pid, parentPid: stat.parentPid, name: stat.name, args, cwd }];
}

/** @throws drill_impossible_here */
export function listProcesses(): ProcessRow[] {
  if (process.platform !== 'linux') {
    throw drillErrors.drill_impossible_here({
      detail: `drills tell processes apart by /proc, which ${process.platform} does not have`,
    });
  }
  return readdirSync('/proc').map(Number).filter(Number.isInteger).flatMap(readProcess);
}

export function childrenOf(pid: number): ProcessRow[] {
  return listProcesses().filter(({ parentPid }) => parentPid === pid);
}

/** Those whose command line or working directory is at or below `directory`, in whatever session they are. */
export function processesIn(directory: string): ProcessRow[] {
  const isBelow = (arg: string) => {
    // A process of ours has its title where its command line was.
    const path = /^loadstone: .* \((.*)\)$/.exec(arg)?.[1] ?? arg;
    return path === directory || path.startsWith(`${directory}/`);
  };
  return listProcesses().filter(
    ({ pid, cwd, args }) => pid !== process.pid && (isBelow(cwd) || args.some(isBelow)),
  );
}

export function isAlive(pid: number): boolean {
  return readProcess(pid).length > 0;
}

/** No effect on one that has ended. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Memory that a process has in RAM (proc(5), `VmRSS`); 0 for one that has ended. */
export function residentBytes(pid: number): number {
  const status = tryRead(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '';
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
