/**
 * A streaming standby of a test's Postgres, whose replay the test can hold back, or which it can promote.
 */
import { join } from 'node:path';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { SUPERUSER_NAME, takeBaseBackup } from '#blocks/postgres';
import { chooseSite, createPostgresServer, markStandby } from '#fixtures/postgres';
import { lookInto, makeTestDirectory, readPostmasterFile } from '../fixture.ts';
import type { Queryable } from '../queryable.ts';
import { sql } from '../sql.ts';

export interface TestStandby {
  /** The address of the database of this name on it, for `database.replicas`. */
  urlOf(database: string): string;
  socketDirectory: string;
  /** As the superuser. */
  admin: Queryable;
  /** Holds back replay: what is committed from now on is not seen there. */
  pause(): Promise<unknown>;
  resume(): Promise<unknown>;
  promote(): Promise<void>;
  pid(): number;
  stop(): Promise<void>;
}

const never = new AbortController().signal;
const START_TIMEOUT_MS = 60_000;

/** @param primaryDirectory the data directory of a running test Postgres */
export async function startTestStandby(primaryDirectory: string): Promise<TestStandby> {
  const { socketDirectory: host } = readPostmasterFile(primaryDirectory);
  const directory = makeTestDirectory();
  const target = join(directory, 'postgres');
  const source = {
    address: { host, port: 5432, database: 'loadstone' },
    dataDirectory: join(primaryDirectory, 'postgres'),
  };
  await takeBaseBackup(source, target, { random: systemRandom, signal: never });
  const options = {
    rootStrategy: 'auto',
    tie: 'auto',
    otherUserDirectory: join(directory, 'other'),
  } as const;
  const site = await chooseSite(target, options, {
    signal: never,
    report() {},
    randomName: () => systemRandom.bytes(6).toString('hex'),
    onPrivateDirectory() {},
  });
  markStandby(target, site.launch.account);
  const server = createPostgresServer(
    {
      site,
      settings: { primary_conninfo: `host=${host} port=5432 user=${SUPERUSER_NAME}` },
      startTimeoutMs: START_TIMEOUT_MS,
      adopts: false,
    },
    { clock: systemClock, random: systemRandom, log: silentLog, report() {}, onState() {} },
  );
  await server.start(never);
  const { socketDirectory, pid } = readPostmasterFile(directory);
  const urlOf = (name: string) =>
    `postgres://${SUPERUSER_NAME}@/${name}?host=${encodeURIComponent(socketDirectory)}`;
  const { admin, close } = lookInto(urlOf('loadstone'));
  return {
    urlOf,
    socketDirectory,
    admin,
    pause: () => admin.run(sql`select pg_wal_replay_pause()`),
    resume: () => admin.run(sql`select pg_wal_replay_resume()`),
    async promote() {
      await admin.run(sql`select pg_promote(true, 30)`);
    },
    pid: () => pid,
    async stop() {
      await close();
      await server.stop(AbortSignal.timeout(10_000));
    },
  };
}

/** Until the standby has all that the primary has. */
export async function caughtUp(primary: Queryable, standby: TestStandby): Promise<void> {
  const at = await primary.first<{ lsn: string }>(sql`select pg_current_wal_flush_lsn()::text as lsn`);
  await eventually('the standby has caught up', async () => {
    const found = await standby.admin.first<{ there: boolean }>(
      sql`select pg_last_wal_replay_lsn() >= ${at?.lsn ?? ''}::pg_lsn as there`,
    );
    return found?.there === true;
  });
}
