/**
 * A disk that is full: said so at the first start, survived in service. The disk is a file system in memory, in a
 * mount namespace that ends with the server's process.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { IS_ROOT, query, scratchDirectory, serveElsewhere } from '../embedded.fixture.ts';
import type { PostgresAddress } from '../embedded.ts';

const IN_NAMESPACE = ['unshare', ...(IS_ROOT ? [] : ['--user', '--map-root-user']), '--mount'];

function onDisk(directory: string, megabytes: number): string[] {
  const mount = `mount -t tmpfs -o size=${megabytes}m,mode=0700 none "$0" && exec "$@"`;
  return [...IN_NAMESPACE, '/bin/sh', '-c', mount, directory];
}

function canMount(): boolean {
  const [file = '', ...args] = [...IN_NAMESPACE, '/bin/sh', '-c', 'mount -t tmpfs none /tmp'];
  return spawnSync(file, args).status === 0;
}
const skip = canMount() ? false : 'this machine does not let us mount in a namespace';

test('a first start on a full disk says so', { skip }, async (t) => {
  const disk = join(scratchDirectory(t), 'disk');
  mkdirSync(disk);
  const server = serveElsewhere(t, { directory: join(disk, 'postgres') }, { through: onDisk(disk, 20) });
  assert.equal((await server.next()).event, 'report');
  const told = await server.next();
  assert.deepEqual([told.event, told.code], ['failed', 'data_disk_full'], JSON.stringify(told));
  assert.match(
    String(told.detail),
    /^the disk of .* is full: initdb ended with code 1; it said: FATAL: .*(No space left|wrote only)/,
  );
});

test('a disk that fills up in service: back when there is room, with all that was acknowledged', {
  skip,
}, async (t) => {
  const disk = join(scratchDirectory(t), 'disk');
  mkdirSync(disk);
  const server = serveElsewhere(t, { directory: join(disk, 'postgres') }, { through: onDisk(disk, 130) });
  const told = async (event: string) => {
    for (;;) {
      const next = await server.next();
      if (next.event === event) return next;
    }
  };
  const { host, port, database } = (await told('ready')) as unknown as PostgresAddress;
  const address = { host, port, database };
  const ballast = join(`/proc/${server.child.pid}/root${disk}`, 'ballast');
  writeFileSync(ballast, Buffer.alloc(40 << 20));

  await query(address, 'create table filler (n int, body text)');
  const insert = (n: number) => query(address, insertOf(n));
  let acknowledged = 0;
  await assert.rejects(async () => {
    for (;;) {
      await insert(acknowledged);
      acknowledged++;
    }
  }, /No space left|terminat|ECONNRESET|closed/);
  rmSync(ballast);
  await eventuallyAnswers(address);
  const [{ count } = {}] = await query(address, 'select count(*)::int as count from filler');
  assert(Number(count) >= acknowledged && acknowledged > 0, `${count} rows of ${acknowledged} acknowledged`);
  await insert(acknowledged);
});

test('a standby for which there is no room is not begun, and the primary goes on', { skip }, async (t) => {
  const disk = join(scratchDirectory(t), 'disk');
  mkdirSync(disk);
  const options = { directory: join(disk, 'postgres'), standbys: 1 };
  const server = serveElsewhere(t, options, { through: onDisk(disk, 170) });
  const told = async (event: string) => {
    for (;;) {
      const next = await server.next();
      if (next.event === event) return next;
    }
  };
  const { host, port, database } = (await told('ready')) as unknown as PostgresAddress;
  const { reason } = await told('standby');
  assert.match(
    String(reason),
    /^a copy of the primary in .* wants \d+ MB of free disk, and there are \d+ MB$/,
  );
  const inside = `/proc/${server.child.pid}/root${disk}`;
  assert.deepEqual(
    readdirSync(inside).filter((name) => name.includes('standby')),
    [],
  );
  await query({ host, port, database }, 'create table still (n int)');
});

/** One row that takes 1.6 MB and does not compress. */
function insertOf(n: number): string {
  return `insert into filler select ${n}, string_agg(md5(i::text), '') from generate_series(1, 50000) i`;
}

async function eventuallyAnswers(address: PostgresAddress): Promise<void> {
  const untilMs = systemClock.monotonicMs() + 30_000;
  while (systemClock.monotonicMs() < untilMs) {
    try {
      await query(address, 'select 1');
      return;
    } catch {
      await sleep(systemClock, 20);
    }
  }
  assert.fail('Postgres did not come back');
}
