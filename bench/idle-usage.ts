/**
 * What an installation uses while nothing is asked of it: of all its processes, from /proc, and of its Postgres.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Postgres } from './postgres-usage.ts';
import { readCommand, readDescendants, readProportionalMib, readStat } from './process-usage.ts';

/** Of the processes of one kind. */
export interface Usage {
  cpuMs: number;
  /** How often one of their threads gave up its core, and so was woken later. */
  wakeups: number;
}

export interface Reading {
  atMs: number;
  server: Usage;
  postgres: Usage;
  transactions: number;
  walBytes: number;
}

export interface Memory {
  serverMib: number;
  postgresMib: number;
}

const COUNTERS = `
  select (select sum(xact_commit + xact_rollback) from pg_stat_database)::float8 as transactions,
    (pg_current_wal_insert_lsn() - '0/0')::float8 as "walBytes"`;

/** Postgres's processes come and go, also between two looks. */
function unlessGone(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Of all its threads. A process that ends meanwhile counts as its parent says. */
function readThreads(pid: number): Usage {
  const usage = { cpuMs: 0, wakeups: 0 };
  unlessGone(() => {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const of = (file: string) => readFileSync(`/proc/${pid}/task/${thread}/${file}`, 'utf8');
      // To the nanosecond, where the times in `stat` are in hundredths of a second.
      usage.cpuMs += Number(of('schedstat').split(' ')[0]) / 1e6;
      usage.wakeups += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(of('status'))?.[1] ?? 0);
    }
  });
  return usage;
}

function processesOf(pid: number) {
  return [readStat(pid), ...readDescendants(pid)].map((stat) => ({
    ...stat,
    isPostgres: readCommand(stat.pid).includes('postgres'),
  }));
}

/** @param pid of the command that was started: everything else is below it */
export async function readUsage(pid: number, { client }: Pick<Postgres, 'client'>): Promise<Reading> {
  const { rows } = await client.query<{ transactions: number; walBytes: number }>(COUNTERS);
  const reading: Reading = {
    atMs: performance.now(),
    server: { cpuMs: 0, wakeups: 0 },
    postgres: { cpuMs: 0, wakeups: 0 },
    ...(rows[0] ?? { transactions: Number.NaN, walBytes: Number.NaN }),
  };
  for (const { pid: each, isPostgres, endedChildrenCpuMs } of processesOf(pid)) {
    const of = reading[isPostgres ? 'postgres' : 'server'];
    const { cpuMs, wakeups } = readThreads(each);
    // Of autovacuum's workers, which come and go.
    of.cpuMs += cpuMs + (isPostgres ? endedChildrenCpuMs : 0);
    of.wakeups += wakeups;
  }
  return reading;
}

export function readMemoryOf(pid: number): Memory {
  const memory: Memory = { serverMib: 0, postgresMib: 0 };
  for (const { pid: each, isPostgres } of processesOf(pid)) {
    unlessGone(() => {
      memory[isPostgres ? 'postgresMib' : 'serverMib'] += readProportionalMib(each);
    });
  }
  return memory;
}
