/**
 * Where and of what a result was measured.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');

export interface Provenance {
  /** RFC 3339. */
  date: string;
  commit: string;
  /** Whether the tree differed from the commit, apart from results. */
  isDirty: boolean;
  node: string;
  machine: { cpu: string; cores: number; memoryGib: number; kernel: string };
}

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', ['--no-optional-locks', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : undefined;
}

export function readProvenance(): Provenance {
  const all = cpus();
  return {
    date: new Date().toISOString(),
    commit: git('rev-parse', '--short=10', 'HEAD') ?? 'uncommitted',
    isDirty: git('status', '--porcelain', '--', '.', ':!bench/results') !== '',
    node: process.version,
    machine: {
      cpu: all[0]?.model.trim() ?? 'unknown',
      cores: all.length,
      memoryGib: Math.round(totalmem() / 2 ** 30),
      kernel: `${process.platform} ${release()}`,
    },
  };
}

/** The numbers in a list such as `0-3,8`. */
export function parseCpuList(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/**
 * Two cores that this process may use: one for the server, one for the load.
 * @throws Error with what is missing
 */
export function chooseCores(): { server: number; load: number } {
  if (process.platform !== 'linux')
    throw new Error('this bench pins processes to cores and reads /proc: it needs Linux');
  if (spawnSync('taskset', ['--version']).status !== 0)
    throw new Error('taskset is missing: install util-linux');
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const [server, load] = parseCpuList(allowed);
  if (server === undefined || load === undefined) throw new Error('this bench needs two cores of its own');
  return { server, load };
}

/** The command, run on one core. */
export function pinned(core: number, command: readonly string[]): string[] {
  return ['taskset', '-c', String(core), ...command];
}
