import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredJob, Why } from '#blocks/queue';
import { jobToJson, renderJob, renderJobs, renderRetry, renderWhy, whyToJson } from './job.ts';

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

const ready: StoredJob = {
  jobId: '117896458777124864',
  workspaceId: '1',
  queue: 'thumbnails',
  state: 'ready',
  attempts: 1,
  attemptsMax: 10,
  priority: 5,
  runAtMs: NOW_MS + 90_000,
  uniqueKey: 'cat',
  concurrencyKey: 'car',
  progress: undefined,
  lastError: 'it broke\n\u001b[31min two',
  finishedMs: undefined,
  enqueuedMs: NOW_MS,
  detail: undefined,
  worker: undefined,
};

const done: StoredJob = {
  ...ready,
  state: 'done',
  attemptsMax: undefined,
  priority: undefined,
  runAtMs: undefined,
  uniqueKey: undefined,
  concurrencyKey: undefined,
  lastError: undefined,
  finishedMs: NOW_MS + 1000,
  detail: '{"width":10}',
};

test('a list has one line for each job, whatever an error holds', () => {
  const running = { ...ready, state: 'running', worker: 'vm:1:a', progress: '{"at":3}' } as const;
  assert.deepEqual(renderJobs([ready, running, done]).split('\n'), [
    'ID                  QUEUE       STATE    ATTEMPTS  ENQUEUED              RUNS                  ENDED                 NOTE',
    '117896458777124864  thumbnails  ready    1/10      2026-01-02T03:04:05Z  2026-01-02T03:05:35Z  -                     it broke [31min two',
    '117896458777124864  thumbnails  running  1/10      2026-01-02T03:04:05Z  2026-01-02T03:05:35Z  -                     worker vm:1:a, at {"at":3}',
    '117896458777124864  thumbnails  done     1         2026-01-02T03:04:05Z  -                     2026-01-02T03:04:06Z  {"width":10}',
  ]);
});

test('a long note is cut', () => {
  const [, line = ''] = renderJobs([{ ...ready, lastError: 'x'.repeat(1000) }]).split('\n');
  assert.match(line, / x{59}…$/);
});

test('all that is known of a job, and no line for what is not', () => {
  assert.deepEqual(renderJob(done).split('\n'), [
    'job        117896458777124864',
    'workspace  1',
    'queue      thumbnails',
    'state      done',
    'attempts   1',
    'enqueued   2026-01-02T03:04:05Z',
    'ended      2026-01-02T03:04:06Z',
    'result     {"width":10}',
  ]);
  assert.match(
    renderJob({ ...done, state: 'replaced', detail: '"117896458777124865"' }),
    /\nreplaced by +"117896458777124865"$/,
  );
});

test('JSON has every field, with times in RFC 3339 and JSON as it is', () => {
  assert.deepEqual(jobToJson(done), {
    id: '117896458777124864',
    workspaceId: '1',
    queue: 'thumbnails',
    state: 'done',
    attempts: 1,
    attemptsMax: null,
    priority: null,
    uniqueKey: null,
    concurrencyKey: null,
    worker: null,
    progress: null,
    result: { width: 10 },
    problem: null,
    replacedBy: null,
    enqueuedAt: '2026-01-02T03:04:05.678Z',
    runAt: null,
    finishedAt: '2026-01-02T03:04:06.678Z',
  });
  const replaced = jobToJson({ ...done, state: 'replaced', detail: '"117896458777124865"' });
  assert.deepEqual([replaced.result, replaced.replacedBy], [null, '117896458777124865']);
});

test('every reason to wait is a sentence', () => {
  const untilMs = NOW_MS + 7_200_000;
  const until = '2026-01-02T05:04:05Z (in 2 h)';
  const cases: [Why, string][] = [
    [{ waitsFor: 'schedule', untilMs }, `it waits for its time, ${until}`],
    [
      { waitsFor: 'backoff', untilMs, attempts: 2, lastError: 'no\nluck' },
      `it waits until ${until}, because 2 attempts of 10 failed: no luck`,
    ],
    [{ waitsFor: 'unique_twin' }, 'it waits for another job with the unique key cat, which runs'],
    [
      { waitsFor: 'key_concurrency', key: 'car', running: 2, limit: 2 },
      'it waits for its concurrency key car: 2 with it run, and no more than 2 may',
    ],
    [
      { waitsFor: 'key_rate', key: 'car', untilMs },
      `it waits for the rate of its concurrency key car, until ${until}`,
    ],
    [
      { waitsFor: 'key_rate', key: 'car', untilMs: undefined },
      'it waits for the rate of its concurrency key car',
    ],
    [{ waitsFor: 'no_worker' }, 'it waits for a worker: none works on the queue thumbnails'],
    [{ waitsFor: 'priority', ahead: 10_000 }, 'it waits behind 10,000 jobs of its queue'],
    [{ waitsFor: 'turn' }, 'nothing holds it back: it is about to run'],
  ];
  for (const [why, expected] of cases) assert.equal(renderWhy(why, ready, NOW_MS), expected);
  assert.deepEqual(whyToJson({ waitsFor: 'key_rate', key: 'car', untilMs }, ready), {
    id: ready.jobId,
    queue: 'thumbnails',
    state: 'ready',
    waitsFor: 'key_rate',
    key: 'car',
    until: '2026-01-02T05:04:05.678Z',
  });
});

test('a job that does not wait: what it does, or how it ended', () => {
  const nothing = { waitsFor: 'nothing', state: '', worker: undefined } as const;
  const why = (more: Partial<StoredJob>) => renderWhy(nothing, { ...ready, ...more }, NOW_MS);
  assert.equal(why({ state: 'running', worker: 'vm:1:a' }), 'it runs, in the hand of worker vm:1:a');
  assert.equal(why({ state: 'done' }), 'it is over: done');
  assert.equal(
    why({ state: 'dead', attempts: 10 }),
    'it is dead, after 10 attempts: it broke [31min two; run it again with: loadstone jobs retry 117896458777124864',
  );
});

test('what a retry did', () => {
  const of = (state: StoredJob['state'], now: Partial<StoredJob> = {}) =>
    renderRetry({ ...ready, state }, { ...ready, ...now });
  assert.match(of('dead'), /was dead, and runs again with all its attempts$/);
  assert.match(of('scheduled'), /waited for its time, and runs now$/);
  assert.match(of('held'), /is held already: nothing was changed$/);
  assert.match(
    of('scheduled', { state: 'replaced', detail: '"117896458777124865"' }),
    /runs now; it has put job 117896458777124865 in its place$/,
  );
  assert.match(of('dead', { state: 'done' }), /all its attempts; it is done$/);
  assert.match(
    of('dead', { state: 'dead', lastError: 'still\nbroken' }),
    /; it is dead again: still broken$/,
  );
});
