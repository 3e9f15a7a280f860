import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { sleep, systemClock } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { seededRandom } from '#base/random';
import { climb, findRate, isHeld } from './find-rate.ts';
import { drilled, makeAttempt } from './load/attempt.fixture.ts';
import { quick } from './scenarios/quick.ts';
import { createWorkload } from './workload.ts';

const scenario = { ratePerS: 250, ratePerSMin: 10 };

describe('the ramp', () => {
  test('ends at the rate of the scenario where the machine holds enough', async () => {
    const tried: number[] = [];
    const found = await climb(scenario, async (rate) => tried.push(Math.round(rate)) > 0);
    assert.deepEqual(tried, [29, 89, 179, 357, 714]);
    assert.equal(found?.ratePerS, 250);
  });

  test('is a third of what is held, and never more', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2000 }), async (holdsPerS) => {
        const found = await climb(scenario, async (rate) => rate <= holdsPerS);
        if (holdsPerS < 10 / 0.35) return assert.equal(found, undefined);
        assert(found && found.heldPerS <= holdsPerS && found.ratePerS <= Math.ceil(holdsPerS * 0.35));
        assert(found.ratePerS >= 10 && found.ratePerS <= 250);
      }),
    );
  });

  test('sees that the rate of the drill is held after one that was too high, and goes down where it is not', async () => {
    const tried: number[] = [];
    let left = 0;
    const found = await climb(scenario, async (rate) => {
      tried.push(Math.round(rate));
      // What was too much has left work for four more tries.
      if (rate > 400) left = 4;
      else if (left > 0) left -= 1;
      return rate <= 400 && left === 0;
    });
    assert.deepEqual(tried, [29, 89, 179, 357, 714, 714, 714, 125, 125, 125, 62]);
    assert.deepEqual([found?.ratePerS, Math.round(found?.heldPerS ?? 0)], [62, 357]);
    let wasHeld = true;
    const never = await climb(scenario, async (rate) => {
      wasHeld &&= rate < 100;
      return wasHeld;
    });
    assert.equal(never, undefined, 'a server that does not come back is not drilled');
  });

  test('tries a rate again before it gives it up', async () => {
    let calls = 0;
    const found = await climb(scenario, async () => ++calls % 3 === 0);
    assert.equal(found?.ratePerS, 250);
  });

  test('a rate is held by answers that are good and in time', () => {
    const good = Array.from({ length: 99 }, () => makeAttempt());
    assert(!isHeld([]));
    assert(!isHeld(good.slice(0, 3)), 'too few to tell');
    assert(isHeld([...good, makeAttempt({ endedMs: 900 })]));
    assert(isHeld([...good.slice(0, 20), ...[900, 700].map((endedMs) => makeAttempt({ endedMs }))]));
    const slow = Array.from({ length: 3 }, () => makeAttempt({ endedMs: 900 }));
    assert(!isHeld([...good, ...slow]));
    const unsent = slow.map((each) => ({ ...each, endedMs: 1, fate: 'generator_late' as const }));
    assert(!isHeld([...good, ...unsent]), 'nothing is known of what was not sent');
  });
});

async function rateOf(context: TestContext, delayMs: number) {
  const server = createServer(async (_request, response) => {
    await sleep(systemClock, delayMs);
    response.setHeader('content-type', 'application/json');
    response.end('{"id":"1","code":"a"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const deps = { clock: systemClock, random: seededRandom(3), signal: context.signal };
  const workload = createWorkload({ seed: 3, run: 'x', systems: drilled, emphasis: {}, rootKey: 'k' }, deps);
  const small = { ...quick, ratePerS: 20, ratePerSMin: 10 };
  return findRate({ scenario: small, seed: 3 }, { origin, workload }, deps);
}

test('a server that answers at once is drilled at the rate of the scenario, or what is held here', async (context) => {
  const found = await rateOf(context, 0).catch((error: unknown) => error);
  // A machine that does not even hold this is too busy, and must say so.
  if (isLoadstoneError(found)) return assert.equal(found.code, 'drill_machine_busy');
  const { ratePerS } = found as { ratePerS: number };
  assert(ratePerS >= 10 && ratePerS <= 20);
});

test('one that takes too long is not drilled', async (context) => {
  await assert.rejects(
    rateOf(context, 700),
    (error) => isLoadstoneError(error) && error.code === 'drill_machine_busy',
  );
});
