/**
 * What a Postgres under test has used, by who made it work, and what its sessions were waiting for.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { readStat } from './process-usage.ts';

const SUPERUSER = 'loadstone_super';
const SAMPLE_MS = 50;

export interface PostgresAddress {
  socketDirectory: string;
  port: number;
  pid: number;
}

/** Postgres writes down its pid, its port and where it listens. */
export function readPostgresAddress(dataDirectory: string): PostgresAddress {
  const lines = readFileSync(join(dataDirectory, 'postgres', 'postmaster.pid'), 'utf8').split('\n');
  return { pid: Number(lines[0]), port: Number(lines[3]), socketDirectory: lines[4] ?? '' };
}

export const clientConfig = ({ socketDirectory: host, port }: PostgresAddress): pg.ClientConfig => ({
  host,
  port,
  database: 'loadstone',
  user: SUPERUSER,
  application_name: 'bench',
});

/** `app`: sessions of the role that requests write as; `system`: relay, consumers, queues; `other`: all other processes. */
export interface PostgresCpu {
  appMs: number;
  systemMs: number;
  otherMs: number;
}

export interface PostgresUsage extends PostgresCpu {
  walBytes: number;
  /** Whole pages in it. This and the next are told by each session once a second, so they are right to that. */
  walPages: number;
  /** Waits for the disk. */
  walSyncs: number;
}

/** Sessions that requests use, by their `application_name`: the server's and the peer's. */
export type RequestSessions = 'loadstone loadstone_app' | 'peer';

/** How many sessions are doing what, on average. */
export type Activity = Record<
  'running' | 'waitsForDisk' | 'waitsForLock' | 'waitsForClient' | 'idle',
  number
>;

export interface Postgres {
  client: pg.Client;
  pids(): Promise<number[]>;
  usage(): Promise<PostgresUsage>;
  /** Looks every 50 ms at what those sessions do. @returns how to stop, which gives how many did what */
  sample(application: RequestSessions): () => Promise<Activity>;
  /** So that what follows begins without somebody else's dirty pages. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

interface Session {
  pid: number;
  kind: keyof PostgresCpu;
}

const SESSIONS = `
  select pid, case
      when application_name in ('loadstone loadstone_app', 'peer') then 'appMs'
      when application_name = 'loadstone loadstone_system' then 'systemMs'
      else 'otherMs' end as kind
  from pg_stat_activity where pid <> pg_backend_pid()`;

const COUNTERS = `
  select (pg_current_wal_insert_lsn() - '0/0')::float8 as "walBytes",
    (select wal_fpi::float8 from pg_stat_wal) as "walPages",
    (select sum(fsyncs)::float8 from pg_stat_io where object = 'wal') as "walSyncs"`;

const ACTIVITY = `
  select case
      when state = 'idle' then 'idle'
      when state = 'idle in transaction' then 'waitsForClient'
      when wait_event is null then 'running'
      when wait_event = 'ClientRead' then 'waitsForClient'
      when wait_event_type = 'IO' or wait_event in ('WALWrite', 'SyncRep') then 'waitsForDisk'
      else 'waitsForLock' end as what, count(*)::integer as sessions
  from pg_stat_activity where application_name = $1 group by 1`;

function cpuMsOf(pid: number): number {
  try {
    return readStat(pid).cpuMs;
  } catch {
    // It has ended: its time is the postmaster's by now.
    return 0;
  }
}

export async function lookIntoPostgres(address: PostgresAddress): Promise<Postgres> {
  const client = new pg.Client(clientConfig(address));
  // When a bench fails, its server is stopped, and Postgres with it: the failure is what must be told.
  client.on('error', () => {});
  await client.connect();
  const rows = async <Row extends pg.QueryResultRow>(text: string, values: string[] = []) =>
    (await client.query<Row>(text, values)).rows;
  const sessions = () => rows<Session>(SESSIONS);

  async function usage(): Promise<PostgresUsage> {
    const [counters] = await rows<Omit<PostgresUsage, keyof PostgresCpu>>(COUNTERS);
    if (!counters) throw new Error('Postgres gave no counters');
    const { cpuMs, endedChildrenCpuMs } = readStat(address.pid);
    const cpu: PostgresCpu = { appMs: 0, systemMs: 0, otherMs: cpuMs + endedChildrenCpuMs };
    for (const { pid, kind } of await sessions()) cpu[kind] += cpuMsOf(pid);
    return { ...counters, ...cpu };
  }

  function sample(application: RequestSessions): () => Promise<Activity> {
    const activity: Activity = { running: 0, waitsForDisk: 0, waitsForLock: 0, waitsForClient: 0, idle: 0 };
    let samples = 0;
    let looking = Promise.resolve();
    async function look(): Promise<void> {
      const found = await rows<{ what: keyof Activity; sessions: number }>(ACTIVITY, [application]);
      for (const { what, sessions: count } of found) activity[what] += count;
      samples += 1;
    }
    const timer = setInterval(() => {
      looking = looking.then(look);
    }, SAMPLE_MS);
    return async () => {
      clearInterval(timer);
      await looking;
      for (const what of Object.keys(activity) as (keyof Activity)[]) activity[what] /= Math.max(1, samples);
      return activity;
    };
  }

  return {
    client,
    usage,
    sample,
    pids: async () => [address.pid, ...(await sessions()).map(({ pid }) => pid)],
    settle: async () => void (await client.query('checkpoint')),
    close: () => client.end(),
  };
}

/** All threads of the processes, from now on, and of those that they start. */
export function pinProcesses(pids: readonly number[], cores: readonly number[]): void {
  for (const pid of pids) {
    const { status, stderr } = spawnSync('taskset', ['-a', '-p', '-c', cores.join(','), String(pid)], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`taskset: ${stderr}`);
  }
}
