import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createManualClock } from '#base/clock';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { createBulkhead } from './bulkhead.ts';
import { type BulkheadOptions, bulkheadOptions } from './options.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function make(given: Partial<BulkheadOptions>, metrics = createMetrics()) {
  const clock = createManualClock();
  const bulkhead = createBulkhead(parseOptions(bulkheadOptions, given), { name: 'redis', clock, metrics });
  return { clock, bulkhead, metrics };
}

/** A call that goes on until it is told to end. */
function begin(bulkhead: ReturnType<typeof make>['bulkhead'], signal?: AbortSignal) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const call = { hasBegun: false, end: resolve, outcome: 'open' as string };
  const done = bulkhead.run(async () => {
    call.hasBegun = true;
    await promise;
  }, signal);
  const settled = done.then(
    () => {
      call.outcome = 'ran';
    },
    (error: { code?: string; message: string }) => {
      call.outcome = error.code ?? error.message;
    },
  );
  return Object.assign(call, { settled });
}

describe('bulkhead', () => {
  test('so many at a time, so many wait, the next is refused with a code', async () => {
    const { bulkhead, metrics } = make({ concurrencyMax: 2, waitingMax: 1 });
    const calls = [begin(bulkhead), begin(bulkhead), begin(bulkhead)];
    assert.deepEqual([bulkhead.inFlight(), bulkhead.waiting()], [2, 1]);
    await assert.rejects(
      bulkhead.run(async () => {}),
      { code: 'bulkhead_full', status: 503, retryable: true, retryAfterS: 1 },
    );
    calls[1]?.end();
    await turn();
    assert.deepEqual(
      calls.map(({ hasBegun, outcome }) => [hasBegun, outcome]),
      [
        [true, 'open'],
        [true, 'ran'],
        [true, 'open'],
      ],
    );
    const text = await metrics.registry.metrics();
    for (const line of [
      'loadstone_bulkhead_in_flight{bulkhead="redis"} 2',
      'loadstone_bulkhead_waiting{bulkhead="redis"} 0',
      'loadstone_bulkhead_calls_total{bulkhead="redis",result="ran"} 3',
      'loadstone_bulkhead_calls_total{bulkhead="redis",result="refused"} 1',
    ]) {
      assert(text.includes(`${line}\n`), line);
    }
    for (const call of calls) call.end();
  });

  test('who waits too long is refused; who leaves is out at once and leaves its place in the line', async () => {
    const { bulkhead, clock } = make({ concurrencyMax: 1, waitingMax: 2, waitMsMax: 100 });
    const first = begin(bulkhead);
    const leaver = new AbortController();
    const second = begin(bulkhead, leaver.signal);
    clock.advance(50);
    const third = begin(bulkhead);
    leaver.abort(new Error('left'));
    assert.equal(bulkhead.waiting(), 1);
    const fourth = begin(bulkhead);
    clock.advance(99);
    await turn();
    assert.deepEqual([second.outcome, third.outcome, fourth.outcome], ['left', 'open', 'open']);
    clock.advance(1);
    await turn();
    assert.deepEqual([third.outcome, fourth.outcome], ['bulkhead_full', 'bulkhead_full']);
    first.end();
    await turn();
    assert.deepEqual([bulkhead.inFlight(), bulkhead.waiting()], [0, 0]);
    await assert.rejects(
      bulkhead.run(async () => {}, leaver.signal),
      /left/,
    );
  });

  test('what fails gives its place back', async () => {
    const { bulkhead } = make({ concurrencyMax: 1 });
    const failing = async () => {
      throw new Error('no');
    };
    await assert.rejects(bulkhead.run(failing), /no/);
    // One that throws before it gives a promise, too.
    const throwing = () => {
      throw new Error('at once');
    };
    await assert.rejects(bulkhead.run(throwing), /at once/);
    assert.equal(bulkhead.inFlight(), 0);
  });

  test('property: never too many, nobody waits beside a free place, first come first served, all settle', async () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.constant({ kind: 'begin' as const, at: 0 }) },
        {
          weight: 3,
          arbitrary: fc.record({ kind: fc.constantFrom('end' as const, 'abort' as const), at: fc.nat(9) }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), at: fc.nat(150) }) },
      ),
      { maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.nat(3),
        steps,
        async (concurrencyMax, waitingMax, all) => {
          const { bulkhead, clock } = make({ concurrencyMax, waitingMax, waitMsMax: 100 });
          const calls: (ReturnType<typeof begin> & { abort: () => void })[] = [];
          for (const { kind, at } of all) {
            if (kind === 'begin') {
              const controller = new AbortController();
              const abort = () => controller.abort(new Error('left'));
              calls.push(Object.assign(begin(bulkhead, controller.signal), { abort }));
            }
            if (kind === 'end') calls.filter((each) => each.hasBegun && each.outcome === 'open')[at]?.end();
            if (kind === 'abort')
              calls.filter((each) => !each.hasBegun && each.outcome === 'open')[at]?.abort();
            if (kind === 'wait') clock.advance(at);
            await turn();
            const open = calls.filter((each) => each.outcome === 'open');
            const running = open.filter((each) => each.hasBegun);
            assert.equal(bulkhead.inFlight(), running.length);
            assert.equal(bulkhead.waiting(), open.length - running.length);
            assert(running.length <= concurrencyMax && open.length - running.length <= waitingMax);
            assert(open.length === running.length || running.length === concurrencyMax);
            assert.deepEqual(open.slice(0, running.length), running, 'who came first runs');
          }
          for (const call of calls) call.end();
          await Promise.all(calls.map((each) => each.settled));
          assert.deepEqual([bulkhead.inFlight(), bulkhead.waiting()], [0, 0]);
        },
      ),
      { numRuns: 100 },
    );
  });
});
