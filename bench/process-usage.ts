/**
 * What a process has used, from /proc (Linux, proc(5)).
 */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: 100 on every architecture that Node runs on. The kernel scales utime + stime to what was really run. */
const TICK_MS = 10;

export interface ProcessStat {
  pid: number;
  parentPid: number;
  /** User and system time of all its threads, also of those that have ended. */
  cpuMs: number;
  /** The same of its children that have ended and been waited for. */
  endedChildrenCpuMs: number;
}

/** @param text of /proc/PID/stat; the name in parentheses may hold anything, also parentheses */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = (first: number) => Number(fields[first]) + Number(fields[first + 1]);
  return {
    pid: Number.parseInt(text, 10),
    parentPid: Number(fields[1]),
    cpuMs: ticks(11) * TICK_MS,
    endedChildrenCpuMs: ticks(13) * TICK_MS,
  };
}

export function readStat(pid: number | 'self'): ProcessStat {
  return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** The processes below `pid`, parents before children. */
export function readDescendants(pid: number): ProcessStat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const text = readIfThere(`/proc/${name}/stat`);
      return text === undefined ? [] : [parseStat(text)];
    });
  const below = (parent: number): ProcessStat[] =>
    all.filter((each) => each.parentPid === parent).flatMap((each) => [each, ...below(each.pid)]);
  return below(pid);
}

/** Arguments separated by spaces; empty when the process has gone. */
export function readCommand(pid: number): string {
  return (readIfThere(`/proc/${pid}/cmdline`) ?? '').split('\0').join(' ').trim();
}

function readMib(file: string, name: string): number {
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`${file} has no ${name}`);
  return Number(kib) / 1024;
}

/** Resident memory now, and its highest so far. */
export function readMemory(pid: number): { residentMib: number; peakMib: number } {
  const file = `/proc/${pid}/status`;
  return { residentMib: readMib(file, 'VmRSS'), peakMib: readMib(file, 'VmHWM') };
}

/** Resident memory in which a page shared by n processes counts 1/n: the processes' sum is what they hold together. */
export function readProportionalMib(pid: number): number {
  return readMib(`/proc/${pid}/smaps_rollup`, 'Pss');
}
