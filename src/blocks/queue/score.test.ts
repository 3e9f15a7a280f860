import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PRIORITY_MAX } from './job.ts';
import { createScores, RUN_AT_MS_MAX } from './score.ts';

const STEP_MS = 60_000;
const START_MS = Date.UTC(2026, 10, 22);
const job = fc.record({ waitsMs: fc.nat(3_600_000), priority: fc.integer({ min: 0, max: PRIORITY_MAX }) });

test('one job goes before another by age and head start, whatever the time', () => {
  fc.assert(
    fc.property(job, job, (a, b) => {
      const scores = createScores({ priorityStepMs: STEP_MS });
      const [scoreA, scoreB] = [a, b].map((each) =>
        scores.next(START_MS - each.waitsMs, each.priority, START_MS),
      ) as [number, number];
      const advantage = ({ waitsMs, priority }: typeof a) => waitsMs + priority * STEP_MS;
      if (advantage(a) !== advantage(b)) assert.equal(scoreA < scoreB, advantage(a) > advantage(b));
      else assert(scoreA < scoreB, 'alike, the first stays first');
    }),
  );
});

test('a job of priority 0 is overtaken only by those enqueued less than nine steps later', () => {
  const scores = createScores({ priorityStepMs: STEP_MS });
  const low = scores.next(START_MS, 0, START_MS);
  const next = (atMs: number) => scores.next(atMs, 9, atMs);
  assert(next(START_MS + 9 * STEP_MS - 1) < low);
  assert(next(START_MS + 9 * STEP_MS + 1) > low);
});

test('4,096 jobs of one millisecond have different scores, in their order', () => {
  const scores = createScores({ priorityStepMs: STEP_MS });
  const given = Array.from({ length: 4096 }, () => scores.next(START_MS, 3, START_MS));
  assert.deepEqual(
    given,
    given.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(given).size, 4096);
  assert(scores.next(START_MS + 1, 3, START_MS + 1) > given.at(-1)!);
});

test('a score is exact, and says when its job may run', () => {
  const scores = createScores({ priorityStepMs: STEP_MS });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: RUN_AT_MS_MAX }),
      fc.integer({ min: 0, max: PRIORITY_MAX }),
      (ms, priority) => {
        const score = scores.next(ms, priority, START_MS);
        assert(Number.isSafeInteger(score));
        assert.equal(scores.runAtMs(score, priority), ms);
      },
    ),
  );
});
