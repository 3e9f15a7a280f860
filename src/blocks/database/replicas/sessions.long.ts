/**
 * Ten thousand histories of sessions over a primary and a lagging standby. LOADSTONE_SEED repeats a run (what the servers
 * make of it is their own), LOADSTONE_RUNS sets how many.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemRandom } from '#base/random';
import {
  runHistories,
  type SessionsGround,
  startSessionsGround,
  whereSessionsRead,
} from './sessions.fixture.ts';

const seed = Number(process.env.LOADSTONE_SEED ?? systemRandom.bytes(4).readUInt16LE(0));
const runs = Number(process.env.LOADSTONE_RUNS ?? 10_000);

let place: SessionsGround;
before(async () => {
  place = await startSessionsGround();
});
after(() => place.stop());

test(`${runs} histories at session: every read shows what its session has written`, async (t) => {
  t.diagnostic(`seed ${seed}`);
  const tally = await runHistories(place, { from: 0, count: runs, consistency: 'session', seed });
  const where = await whereSessionsRead(place);
  t.diagnostic(`${tally.reads} reads, answered by ${JSON.stringify(where)}`);
  assert.deepEqual(tally.violations, []);
  assert(where.replica > tally.reads / 20, 'the replica has answered its share');
  assert(where.behind > 0, 'the replica was behind at times');
});

test(`${runs} histories at eventual: some reads do not`, async (t) => {
  t.diagnostic(`seed ${seed}`);
  const tally = await runHistories(place, { from: runs, count: runs, consistency: 'eventual', seed });
  t.diagnostic(`${tally.violations.length} of ${tally.reads} reads showed less`);
  assert(tally.violations.length > 0);
});
