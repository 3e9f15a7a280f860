/**
 * The standby of the embedded Postgres is promoted while the process that owns it and one that has joined both write.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { askForPromotion, parsePosition } from '#blocks/postgres';
import { locateStandby, makeTestDatabase, makeTestDirectory, startTestDatabase } from '../fixture.ts';
import { sql } from '../sql.ts';
import { SUITE_TABLES, shopMigrations } from './migrations.fixture.ts';

const migrations = [shopMigrations({ '0001_tables.sql': SUITE_TABLES })];
const never = new AbortController().signal;
const placement = { system: 'shop', workspaceId: '1', bucket: 0 };
/** What a write may fail with while the primary changes. */
const ALLOWED = ['database_unavailable', 'outcome_unknown'];

type Written = Pick<ReturnType<typeof makeTestDatabase>, 'database'>;

/** Writes one row after another, `step` apart from those of others, until told to stop. */
function writeTo({ database }: Written, first: number, step: number) {
  const acknowledged: number[] = [];
  const failures: string[] = [];
  let term: number | undefined;
  let isEnding = false;
  async function writeAll(): Promise<void> {
    for (let seat = first; !isEnding; seat += step) {
      let position = '';
      const onCommit = (told: string) => {
        position = told;
      };
      try {
        await database.transact(placement, { signal: never, onCommit }, (tx) =>
          tx.run(sql`insert into shop.seats values (${seat})`),
        );
        acknowledged.push(seat);
        term = parsePosition(position)?.term;
      } catch (error) {
        failures.push((error as { code: string }).code);
        await sleep(systemClock, 5);
      }
    }
  }
  const writing = writeAll();
  return {
    acknowledged,
    failures,
    term: () => term,
    async end() {
      isEnding = true;
      await writing;
    },
  };
}

test('all processes go to the new primary, and what was acknowledged is there', async () => {
  const dataDirectory = makeTestDirectory();
  const options = { standbys: 1 };
  const owner = await startTestDatabase({ migrations, dataDirectory, options });
  const joined = makeTestDatabase({ migrations, dataDirectory, options, embedded: 'join' });
  await joined.database.start(never);
  await eventually('the standby runs', () => locateStandby(dataDirectory));
  const writers = [writeTo(owner, 0, 2), writeTo(joined, 1, 2)];
  await eventually('both write', () => writers.every((each) => each.acknowledged.length > 10));
  const outcome = await askForPromotion(
    dataDirectory,
    { isForced: false },
    { clock: systemClock, random: systemRandom, signal: never },
  );
  assert.deepEqual([outcome.kind, outcome.primary, outcome.lostBytes], ['done', 'postgres-standby-1', 0]);
  await eventually('both write there', () => writers.every((each) => each.term() === 2));
  for (const writer of writers) await writer.end();

  for (const { database } of [owner, joined]) {
    const seats = await database
      .reader({ consistency: 'strong' })
      .rows(sql<{ seat: number }>`select seat from shop.seats`);
    const found = new Set(seats.map(({ seat }) => seat));
    for (const { acknowledged } of writers) {
      assert.deepEqual(
        acknowledged.filter((seat) => !found.has(seat)),
        [],
      );
    }
    await eventually('it is well', () => database.health().status === 'ok');
  }
  const unexpected = writers.flatMap(({ failures }) => failures.filter((code) => !ALLOWED.includes(code)));
  assert.deepEqual(unexpected, []);
  await joined.stop();
  await owner.stop();
});
