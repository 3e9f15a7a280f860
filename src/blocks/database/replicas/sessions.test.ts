/**
 * A few hundred of the histories of sessions.long.ts.
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

const seed = systemRandom.bytes(4).readUInt16LE(0);
const COUNT = 200;

let place: SessionsGround;
before(async () => {
  place = await startSessionsGround();
});
after(() => place.stop());

test('sessions read their own writes, from the replica where it has them', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const { violations } = await runHistories(place, { from: 0, count: COUNT, consistency: 'session', seed });
  assert.deepEqual(violations, []);
  const where = await whereSessionsRead(place);
  t.diagnostic(JSON.stringify(where));
  assert(where.replica > 0 && where.behind > 0, 'both servers have answered');
});

test('the same histories at eventual do not: the check sees what it is there for', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const { violations } = await runHistories(place, {
    from: COUNT,
    count: COUNT,
    consistency: 'eventual',
    seed,
  });
  assert(violations.length > 0);
});
