import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createHistogram } from './histogram.ts';
import { findKnee, judgeRate, type KneeSearch, type RateTrial } from './knee.ts';
import type { LoadSummary } from './load-shape.ts';

const SEARCH: Omit<KneeSearch, 'guessPerS'> = { trialsMax: 40, precision: 1.05, triesAgain: false };

function trialOf(ratePerS: number, isHeld: boolean): RateTrial {
  const share = isHeld ? 1 : 0;
  return { ratePerS, isHeld, withinShare: share, latencyP50Ms: 1, latencyP99Ms: 1, generatorShare: 0.1 };
}

test('the knee is found from any guess, within its precision', async () => {
  const rates = fc.double({ min: 1, max: 100_000, noNaN: true });
  await fc.assert(
    fc.asyncProperty(rates, fc.double({ min: 0.05, max: 20, noNaN: true }), async (knee, factor) => {
      const found = await findKnee({ ...SEARCH, guessPerS: knee * factor }, async (ratePerS) =>
        trialOf(ratePerS, ratePerS <= knee),
      );
      assert(found.held && found.failed);
      assert(found.held.ratePerS <= knee && knee < found.failed.ratePerS);
      assert(found.failed.ratePerS / found.held.ratePerS <= 1.05);
    }),
  );
});

test('it ends after so many trials, whatever they give', async () => {
  for (const isHeld of [true, false]) {
    const { held, failed, trials } = await findKnee(
      { ...SEARCH, trialsMax: 5, guessPerS: 100 },
      async (ratePerS) => trialOf(ratePerS, isHeld),
    );
    assert.deepEqual([trials.length, held !== undefined, failed !== undefined], [5, isHeld, !isHeld]);
  }
});

test('a rate that fails once and is then held counts as held', async () => {
  const tried = new Set<number>();
  const { held, trials } = await findKnee(
    { ...SEARCH, triesAgain: true, guessPerS: 100 },
    async (ratePerS) => {
      const isSecond = tried.has(ratePerS);
      tried.add(ratePerS);
      return trialOf(ratePerS, isSecond && ratePerS <= 100);
    },
  );
  assert(held && held.ratePerS > 95 && held.ratePerS <= 100);
  assert(trials.length > tried.size);
});

test('a rate is judged by all that was sent', () => {
  const latency = createHistogram();
  for (let i = 0; i < 980; i++) latency.record(10);
  for (let i = 0; i < 10; i++) latency.record(500);
  const outcomes = { answered: 990, refused_connection: 0, broken: 0, timed_out: 5, shed: 5 };
  const summary: LoadSummary = {
    ...{ planned: 1000, outcomes, elapsedMs: 1000, latency, service: latency, lag: latency },
    statuses: new Map([
      [200, 985],
      [503, 5],
    ]),
    generatorShare: 0.5,
  };
  const trial = judgeRate(1000, summary, { withinMs: 100, shareMin: 0.99 });
  assert.deepEqual([trial.withinShare, trial.isHeld], [0.975, false]);
  assert(judgeRate(1000, summary, { withinMs: 100, shareMin: 0.97 }).isHeld);
  assert(!judgeRate(1000, { ...summary, planned: 0 }, { withinMs: 100, shareMin: 0.1 }).isHeld);
});
