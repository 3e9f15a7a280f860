import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { createManualClock } from './clock.ts';
import { createLoop, type LoopSteps } from './loop.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** Runs whose ends the test decides; each tells when it has begun. */
function setUp(steps: Partial<LoopSteps> = {}) {
  const clock = createManualClock();
  const began: number[] = [];
  const ends: PromiseWithResolvers<number>[] = [];
  const failures: number[] = [];
  const loop = createLoop(clock, {
    work() {
      began.push(clock.monotonicMs());
      const end = Promise.withResolvers<number>();
      ends.push(end);
      return end.promise;
    },
    failed(_error, count) {
      failures.push(count);
      return 10 * count;
    },
    ...steps,
  });
  async function pass(ms: number): Promise<void> {
    clock.advance(ms);
    await turn();
  }
  async function end(inMs: number): Promise<void> {
    ends.at(-1)?.resolve(inMs);
    await turn();
  }
  async function fail(text: string): Promise<void> {
    ends.at(-1)?.reject(new Error(text));
    await turn();
  }
  return { loop, began, failures, pass, end, fail };
}

test('the begin resolves with the end of the first run, also of one that fails or will not come', async () => {
  for (const how of ['end', 'fail', 'stop'] as const) {
    const { loop, end, fail } = setUp();
    let isOver = false;
    const over = loop.begin(how === 'stop' ? 10 : 0).then(() => {
      isOver = true;
    });
    await turn();
    assert(!isOver);
    if (how === 'end') await end(NEVER);
    else if (how === 'fail') await fail('broken');
    else await loop.stop();
    await over;
    await loop.stop();
  }
});

test('a run comes a while after the end of the last, however long that took', async () => {
  const { loop, began, pass, end } = setUp();
  loop.begin(5);
  await pass(4);
  assert.deepEqual(began, []);
  await pass(1);
  await pass(100);
  assert.deepEqual(began, [5]);
  await end(20);
  await pass(19);
  assert.deepEqual(began, [5]);
  await pass(1);
  assert.deepEqual(began, [5, 125]);
  await end(0);
  assert.deepEqual(began, [5, 125, 125]);
  await loopEnds(loop, end);
});

/** Its run under way ends, and with it the stop. */
async function loopEnds(loop: ReturnType<typeof createLoop>, end: (inMs: number) => Promise<void>) {
  const stopped = loop.stop();
  await end(0);
  await stopped;
}

test('begun at once it does not run within the call, but before anything else happens', async () => {
  const { loop, began, end } = setUp();
  loop.begin();
  assert.deepEqual(began, []);
  await turn();
  assert.deepEqual(began, [0]);
  await loopEnds(loop, end);
});

test('hurrying brings the next run forward, and never back', async () => {
  const { loop, began, pass, end } = setUp();
  loop.begin(100);
  loop.hurry(50);
  loop.hurry(80);
  await pass(49);
  assert.deepEqual(began, []);
  await pass(1);
  assert.deepEqual(began, [50]);
  await end(NEVER);
  await pass(1_000_000);
  assert.deepEqual(began, [50]);
  loop.hurry();
  loop.hurry();
  await turn();
  assert.deepEqual(began, [50, 1_000_050]);
  await loopEnds(loop, end);
});

test('what is hurried during a run is the one after it, counted from then', async () => {
  const { loop, began, pass, end } = setUp();
  loop.begin();
  await turn();
  loop.hurry(30);
  await pass(20);
  await end(NEVER);
  await pass(9);
  assert.deepEqual(began, [0]);
  await pass(1);
  assert.deepEqual(began, [0, 30]);
  loop.hurry();
  await end(NEVER);
  assert.deepEqual(began, [0, 30, 30]);
  await end(NEVER);
  await pass(1000);
  assert.deepEqual(began, [0, 30, 30], 'one hurry is one run');
  await loop.stop();
});

test('nothing is hurried before the begin, and to begin twice is to hurry', async () => {
  const { loop, began, pass, end } = setUp();
  loop.hurry();
  await pass(10);
  assert.deepEqual(began, []);
  loop.begin(100);
  loop.begin(20);
  await pass(20);
  assert.deepEqual(began, [30]);
  await loopEnds(loop, end);
});

test('a failure is counted and told, and no hurry shortens its back-off', async () => {
  const { loop, began, failures, pass, end, fail } = setUp();
  loop.begin();
  await turn();
  await fail('one');
  assert.deepEqual(loop.health('it'), { status: 'failing', reason: 'it: one' });
  loop.hurry();
  loop.begin();
  await pass(9);
  assert.deepEqual(began, [0]);
  await pass(1);
  assert.deepEqual(began, [0, 10]);
  loop.hurry();
  await fail('two');
  await pass(19);
  assert.deepEqual(began, [0, 10]);
  await pass(1);
  assert.deepEqual(failures, [1, 2]);
  assert.deepEqual(loop.health('it'), { status: 'failing', reason: 'it: two' });
  await end(5);
  assert.deepEqual(loop.health('it'), { status: 'ok' });
  await pass(5);
  await fail('three');
  assert.deepEqual(failures, [1, 2, 1], 'a run that ends well begins the count anew');
  await loop.stop();
});

test('work that is not asynchronous runs the same way, and what it throws is a failure', async () => {
  let runs = 0;
  const { loop, failures, pass } = setUp({
    work() {
      runs += 1;
      if (runs === 2) throw new Error('broken');
      return 3;
    },
  });
  loop.begin(3);
  await pass(3);
  await pass(3);
  assert.deepEqual([runs, failures], [2, [1]]);
  await pass(10);
  assert.equal(runs, 3);
  await loop.stop();
});

test('a stop without a deadline cuts the run short, waits for it, and tells nobody what it threw', async () => {
  const { loop, began, failures, pass, fail } = setUp();
  loop.begin();
  await turn();
  let hasStopped = false;
  const stopped = loop.stop().then(() => {
    hasStopped = true;
  });
  await turn();
  assert(loop.signal.aborted);
  assert(loop.isStopping() && !hasStopped);
  loop.hurry();
  loop.begin();
  await fail('cut short');
  await stopped;
  await pass(1_000_000);
  assert.deepEqual([began, failures], [[0], []]);
});

test('a stop with a deadline lets the run end, unless that comes first', async () => {
  for (const isLate of [false, true]) {
    const { loop, end } = setUp();
    const deadline = new AbortController();
    loop.begin();
    await turn();
    const stopped = loop.stop(deadline.signal);
    await turn();
    assert.equal(loop.signal.aborted, false);
    if (isLate) deadline.abort();
    assert.equal(loop.signal.aborted, isLate);
    await end(0);
    await stopped;
  }
});

test('a loop can be stopped while it waits, backs off, has not begun, or is stopped, and by its own work', async () => {
  const idle = setUp();
  await idle.loop.stop();
  await idle.loop.stop();
  idle.loop.begin();
  await idle.pass(1);
  assert.deepEqual(idle.began, []);

  const waiting = setUp();
  waiting.loop.begin(5);
  await waiting.loop.stop();
  await waiting.pass(10);
  assert.deepEqual(waiting.began, []);

  const failing = setUp();
  failing.loop.begin();
  await turn();
  await failing.fail('one');
  await failing.loop.stop();
  await failing.pass(100);
  assert.equal(failing.began.length, 1);

  let stopped: Promise<void> | undefined;
  const own = setUp({
    work() {
      stopped = own.loop.stop();
      return 0;
    },
  });
  own.loop.begin();
  await turn();
  await stopped;
});

test('however it is hurried, no two runs overlap and every hurry is followed by a run that began after it', async () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('hurry' as const), ms: fc.integer({ min: 0, max: 20 }) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 20 }) }),
    fc.record({ kind: fc.constant('end' as const), ms: fc.constantFrom(0, 7, NEVER) }),
    fc.record({ kind: fc.constant('fail' as const), ms: fc.constant(0) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const clock = createManualClock();
      let open: PromiseWithResolvers<number> | undefined;
      let runs = 0;
      /** Hurried, and no run has begun since. */
      let isOwed = false;
      const loop = createLoop(clock, {
        async work() {
          assert.equal(open, undefined, 'one at a time');
          open = Promise.withResolvers<number>();
          runs += 1;
          isOwed = false;
          return open.promise.finally(() => {
            open = undefined;
          });
        },
        failed: (_error, failures) => failures * 10,
      });
      loop.begin(10);
      for (const { kind, ms } of actions) {
        if (kind === 'hurry') {
          loop.hurry(ms);
          isOwed = true;
        } else if (kind === 'pass') clock.advance(ms);
        else if (kind === 'end') open?.resolve(ms);
        else open?.reject(new Error('broken'));
        await turn();
      }
      for (let at = 0; at < 3; at++) {
        open?.resolve(NEVER);
        await turn();
        clock.advance(1000);
        await turn();
      }
      assert(!isOwed && runs > 0);
      open?.resolve(NEVER);
      await loop.stop();
    }),
    { numRuns: 200 },
  );
});
