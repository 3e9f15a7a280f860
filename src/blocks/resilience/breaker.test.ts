import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createManualClock } from '#base/clock';
import { defineErrors } from '#base/errors';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import type { Random } from '#base/random';
import { type BreakerDeps, createBreaker, type Pass } from './breaker.ts';
import { type BreakerOptions, breakerOptions } from './options.ts';

/** Of the jitter nothing is taken away: openings last for as long as they may. */
const noJitter: Random = { fraction: () => 1, bytes: (count) => Buffer.alloc(count) };

function make(given: Partial<BreakerOptions> = {}, more: Partial<BreakerDeps> = {}) {
  const clock = createManualClock();
  const options = parseOptions(breakerOptions, given);
  return {
    clock,
    options,
    breaker: createBreaker(options, { name: 'redis', clock, random: noJitter, ...more }),
  };
}

const fail = async () => {
  throw new Error('no');
};
const succeed = async () => 'yes';

async function failTimes(breaker: ReturnType<typeof make>['breaker'], times: number): Promise<void> {
  for (let i = 0; i < times; i++) await assert.rejects(breaker.run(fail), /no/);
}

const answers = defineErrors('resilience', {
  test_refused: { status: 409, title: 'an answer', doc: 'Of a test.' },
});

describe('breaker', () => {
  test('opens after failures in a row, refuses with a code, and closes after enough probes', async () => {
    const { breaker, clock } = make({ failuresInRow: 3, callsMin: 100 });
    await failTimes(breaker, 2);
    assert.equal(await breaker.run(succeed), 'yes');
    await failTimes(breaker, 2);
    assert.equal(breaker.state(), 'closed', 'a success ends the row');
    await failTimes(breaker, 1);
    assert.equal(breaker.state(), 'open');
    assert(!breaker.isPassable());
    clock.advance(400);
    await assert.rejects(breaker.run(succeed), {
      code: 'breaker_open',
      status: 503,
      retryable: true,
      retryAfterS: 1,
      message: /^redis has failed/,
    });
    clock.advance(600);
    assert(breaker.isPassable());
    await breaker.run(succeed);
    assert.equal(breaker.state(), 'half_open');
    await breaker.run(succeed);
    assert.equal(breaker.state(), 'closed');
  });

  test('opens by the share of the window, which forgets', async () => {
    const { breaker, clock } = make({ callsMin: 10, failureShare: 0.5, failuresInRow: 100, windowMs: 1000 });
    for (let i = 0; i < 5; i++) await breaker.run(succeed);
    await failTimes(breaker, 4);
    assert.equal(breaker.state(), 'closed');
    clock.advance(1100);
    await failTimes(breaker, 5);
    assert.equal(breaker.state(), 'closed', 'what was more than a second ago counts no more');
    for (let i = 0; i < 4; i++) await breaker.run(succeed);
    await failTimes(breaker, 1);
    assert.equal(breaker.state(), 'open');
  });

  test('half open: so many at a time and no more; one failure opens it for twice as long', async () => {
    const { breaker, clock } = make({
      failuresInRow: 1,
      probesMax: 2,
      probesNeeded: 3,
      openMs: 1000,
      openMsMax: 3000,
    });
    await failTimes(breaker, 1);
    clock.advance(1000);
    const probes = [breaker.enter(), breaker.enter()];
    assert.throws(() => breaker.enter(), { code: 'breaker_open' });
    assert(!breaker.isPassable());
    breaker.leave(probes[0] as Pass, 'ignored');
    const third = breaker.enter();
    breaker.leave(probes[1] as Pass, 'success');
    breaker.leave(third, 'failure');
    assert.equal(breaker.state(), 'open');
    for (const forMs of [2000, 3000, 3000]) {
      clock.advance(forMs - 1);
      assert.throws(() => breaker.enter(), { code: 'breaker_open' });
      clock.advance(1);
      await failTimes(breaker, 1);
    }
  });

  test('a probe that never ends counts as failed in time, and what ends late tells nothing', async () => {
    const { breaker, clock } = make({ failuresInRow: 1, openMs: 1000, probeMsMax: 500 });
    const early = breaker.enter();
    await failTimes(breaker, 1);
    clock.advance(1000);
    const hanging = breaker.enter();
    breaker.leave(early, 'success');
    assert.equal(breaker.state(), 'half_open', 'a call from before it opened is no probe');
    clock.advance(500);
    assert.equal(breaker.state(), 'open');
    clock.advance(2000);
    const probe = breaker.enter();
    breaker.leave(hanging, 'failure');
    assert.equal(breaker.state(), 'half_open');
    breaker.leave(probe, 'success');
    await breaker.run(succeed);
    assert.equal(breaker.state(), 'closed');
  });

  test('answers and callers that have left are no failures', async () => {
    const { breaker } = make({ failuresInRow: 1 });
    await assert.rejects(
      breaker.run(async () => {
        throw answers.test_refused();
      }),
      { code: 'test_refused' },
    );
    await assert.rejects(breaker.run(fail, AbortSignal.abort(new Error('gone'))), /no/);
    assert.equal(breaker.state(), 'closed');
    const picky = make(
      { failuresInRow: 1 },
      { isFailure: (error) => (error as Error).message !== 'no' },
    ).breaker;
    await failTimes(picky, 3);
    assert.equal(picky.state(), 'closed');
  });

  test('is measured by its name', async () => {
    const metrics = createMetrics();
    const { breaker } = make({ failuresInRow: 2 }, { metrics });
    await breaker.run(succeed);
    await failTimes(breaker, 2);
    await assert.rejects(breaker.run(succeed), { code: 'breaker_open' });
    const text = await metrics.registry.metrics();
    for (const line of [
      'loadstone_breaker_state{breaker="redis",state="open"} 1',
      'loadstone_breaker_state{breaker="redis",state="closed"} 0',
      'loadstone_breaker_calls_total{breaker="redis",result="success"} 1',
      'loadstone_breaker_calls_total{breaker="redis",result="failure"} 2',
      'loadstone_breaker_calls_total{breaker="redis",result="refused"} 1',
      'loadstone_breaker_opened_total{breaker="redis"} 1',
    ]) {
      assert(text.includes(`${line}\n`), line);
    }
  });

  test('property: as a history of all calls says, whatever happens when', () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.constant({ kind: 'enter' as const }) },
        {
          weight: 4,
          arbitrary: fc.record({
            kind: fc.constant('leave' as const),
            which: fc.nat(8),
            outcome: fc.constantFrom('success' as const, 'failure' as const, 'ignored' as const),
          }),
        },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(700) }) },
      ),
      { maxLength: 150 },
    );
    const given = fc.record({
      failuresInRow: fc.integer({ min: 1, max: 6 }),
      failureShare: fc.constantFrom(0.2, 0.5, 1),
      callsMin: fc.integer({ min: 1, max: 8 }),
      windowMs: fc.constantFrom(100, 1000),
      openMs: fc.constantFrom(10, 300),
      probesMax: fc.integer({ min: 1, max: 3 }),
      probesNeeded: fc.integer({ min: 1, max: 3 }),
      probeMsMax: fc.constantFrom(10, 500),
    });
    fc.assert(
      fc.property(given, steps, (options, all) => follow(make(options), all)),
      { numRuns: 300 },
    );
  });
});

type Step =
  | { kind: 'enter' }
  | { kind: 'leave'; which: number; outcome: 'success' | 'failure' | 'ignored' }
  | { kind: 'wait'; ms: number };

interface Era {
  kind: 'closed' | 'open' | 'half_open';
  sinceMs: number;
  /** Of an opening. */
  forMs: number;
  ended: { atMs: number; outcome: string }[];
  entered: number;
}

/** The same machine, written as a list of eras, each with all that has happened in it. */
function follow({ breaker, clock, options }: ReturnType<typeof make>, steps: readonly Step[]): void {
  let era: Era = { kind: 'closed', sinceMs: 0, forMs: 0, ended: [], entered: 0 };
  let openings = 0;
  const passes: { pass: Pass; era: Era }[] = [];
  const begin = (kind: Era['kind']) => {
    openings = kind === 'closed' ? 0 : kind === 'open' ? openings + 1 : openings;
    const forMs = Math.min(options.openMs * 2 ** (openings - 1), Math.max(options.openMs, options.openMsMax));
    era = { kind, sinceMs: clock.monotonicMs(), forMs, ended: [], entered: 0 };
  };
  const look = () => {
    if (era.kind === 'half_open' && clock.monotonicMs() >= era.sinceMs + options.probeMsMax) begin('open');
  };
  function settle(own: Era, outcome: string): void {
    look();
    if (own !== era) return;
    era.ended.push({ atMs: clock.monotonicMs(), outcome });
    const told = era.ended.filter((each) => each.outcome !== 'ignored');
    if (era.kind === 'half_open') {
      if (outcome === 'failure') begin('open');
      else if (told.length >= options.probesNeeded) begin('closed');
      return;
    }
    if (outcome !== 'failure') return;
    const part = (ms: number) => Math.floor(ms / (options.windowMs / 10));
    const recent = told.filter(({ atMs }) => part(atMs) > part(clock.monotonicMs()) - 10);
    const failed = recent.filter((each) => each.outcome === 'failure').length;
    const row = told.length - 1 - told.findLastIndex((each) => each.outcome !== 'failure');
    const isShare = recent.length >= options.callsMin && failed >= options.failureShare * recent.length;
    if (isShare || row >= options.failuresInRow) begin('open');
  }
  for (const step of steps) {
    if (step.kind === 'wait') clock.advance(step.ms);
    if (step.kind === 'leave') {
      const left = passes.splice(step.which, 1)[0];
      if (!left) continue;
      breaker.leave(left.pass, step.outcome);
      settle(left.era, step.outcome);
    }
    look();
    if (step.kind === 'enter') {
      if (era.kind === 'open' && clock.monotonicMs() >= era.sinceMs + era.forMs) begin('half_open');
      const isLet =
        era.kind === 'closed' ||
        (era.kind === 'half_open' && era.entered - era.ended.length < options.probesMax);
      assert.equal(breaker.isPassable(), isLet);
      if (isLet) {
        era.entered += 1;
        passes.push({ pass: breaker.enter(), era });
      } else assert.throws(() => breaker.enter(), { code: 'breaker_open' });
    }
    assert.equal(breaker.state(), era.kind);
  }
}
