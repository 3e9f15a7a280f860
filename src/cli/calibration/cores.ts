/**
 * Who runs on which core, and what processes have used (Linux, proc(5)).
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { childrenOf } from '#drills/installation/processes';

/** The server and its Postgres have all cores but one, the generator has that one. */
export interface Cores {
  server: readonly number[];
  generator: number;
}

/** USER_HZ is 100 on every architecture that Node runs on. */
const TICK_MS = 10;

/** Pure: the numbers in a list such as `0-3,8`. */
export function parseCoreList(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Undefined where there is one core only, or no `taskset` (util-linux). */
export function chooseCores(): Cores | undefined {
  if (spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const status = readFileSync('/proc/self/status', 'utf8');
  const allowed = parseCoreList(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '');
  const generator = allowed.at(-1);
  if (allowed.length < 2 || generator === undefined) return undefined;
  return { server: allowed.slice(0, -1), generator };
}

/** This process, all its threads and what it starts from now on. */
export function pinSelf(cores: readonly number[]): void {
  spawnSync('taskset', ['-a', '-p', '-c', cores.join(','), String(process.pid)]);
}

/** Pure: user and system time in a `/proc/PID/stat`; with that of children that have ended, if asked for. */
export function parseCpuMs(stat: string, withEnded: boolean): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (fields.slice(11, withEnded ? 15 : 13) as readonly string[]).map(Number);
  return ticks.reduce((sum, each) => sum + each, 0) * TICK_MS;
}

function readCpuMs(pid: number, withEnded: boolean): number {
  try {
    return parseCpuMs(readFileSync(`/proc/${pid}/stat`, 'utf8'), withEnded);
  } catch {
    // It has ended: its time is its parent's by now.
    return 0;
  }
}

export function cpuMsOf(pid: number): number {
  return readCpuMs(pid, false);
}

/** A postmaster and all its processes, those that have ended too. */
export function cpuMsOfPostgres(postmaster: number): number {
  const children = childrenOf(postmaster).reduce((sum, { pid }) => sum + readCpuMs(pid, false), 0);
  return readCpuMs(postmaster, true) + children;
}
