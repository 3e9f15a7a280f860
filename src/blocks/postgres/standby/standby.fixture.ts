/**
 * What the tests of standbys and promotions share: writers that know what was acknowledged, and conditions to wait for.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, systemClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { DATABASE_FILE, DIRECTORY_NAMES, type DirectoryName } from '../directory/database-file.ts';
import { atEnd, never, query, type Scope } from '../embedded.fixture.ts';
import type { EmbeddedPostgres, PostgresEngine } from '../embedded.ts';
import { postgresProcessesIn } from '../process/process-identity.ts';
import { socketDirectoryOf } from '../process/socket-directory.ts';
import { realDirectory } from '../site.ts';
import { askForPromotion } from './promotion-request.ts';

export async function eventuallyStreaming(it: EmbeddedPostgres, count = 1): Promise<void> {
  await eventually(`${count} standbys follow`, () => {
    const states = [...it.standbyStates().values()];
    return states.filter((state) => state.kind === 'following' && state.isStreaming).length === count;
  });
}

/** Rows of `kept`, one after another, wherever the primary is; those that were refused are tried again. */
export function writeTo(t: Scope, place: PostgresEngine) {
  let acknowledged = 0;
  let stopping = false;
  async function insert(): Promise<void> {
    while (!stopping) {
      try {
        await query(place.address, `insert into kept values (${acknowledged}) on conflict do nothing`);
        acknowledged++;
        // Each is a connection, and so a process: as many as possible would keep the machine from all else.
        await sleep(systemClock, 5);
      } catch {
        await sleep(systemClock, 10);
      }
    }
  }
  const work = insert();
  async function stop(): Promise<number> {
    stopping = true;
    await work;
    return acknowledged;
  }
  atEnd(t, async () => void (await stop()));
  return { acknowledged: () => acknowledged, stop };
}

/** Fails if a row that was acknowledged is missing. */
export async function assertKept(place: PostgresEngine, acknowledged: number): Promise<void> {
  const rows = await query(
    place.address,
    `select n from generate_series(0, ${acknowledged - 1}) as n except select n from kept`,
  );
  assert.deepEqual(rows, [], `of ${acknowledged} acknowledged rows`);
}

export async function createKept(place: PostgresEngine): Promise<void> {
  await query(place.address, 'drop table if exists kept');
  await query(place.address, 'create table kept (n int primary key)');
}

export function promote(
  dataDirectory: string,
  request: { standby?: DirectoryName; isForced?: boolean } = {},
) {
  return askForPromotion(
    dataDirectory,
    { isForced: false, ...request },
    { clock: systemClock, random: systemRandom, signal: never() },
  );
}

/** Fails if anything still runs or listens in a data directory, or lies there that should not. */
export function assertNothingLeft(dataDirectory: string): void {
  for (const name of DIRECTORY_NAMES) {
    const directory = join(dataDirectory, name);
    if (!existsSync(directory)) continue;
    assert.deepEqual(postgresProcessesIn(directory), [], `processes in ${name}`);
    const socket = socketDirectoryOf(realDirectory(directory), process.getuid?.() ?? -1);
    assert(!existsSync(socket), `socket of ${name}`);
  }
  const known = new Set<string>([DATABASE_FILE, ...DIRECTORY_NAMES]);
  assert.deepEqual(
    readdirSync(dataDirectory).filter((name) => !known.has(name)),
    [],
  );
}
