import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LoadAnswer } from '#blocks/load';
import { makeAttempt, makeItem, makePlanned } from './attempt.fixture.ts';
import { historyOf, joinAttempts, readAttempt } from './attempt.ts';

const item = makeItem();
const view = { id: '11', remembered: { ttlS: '1' } };
const create = makePlanned('create', item, 'https://example.com/a');
const read = makePlanned('read', item);

function answer(own: Partial<LoadAnswer>): LoadAnswer {
  const request = { method: 'GET', path: '/', headers: {} };
  return {
    request,
    intendedMs: 0,
    sentMs: 1,
    endedMs: 5,
    outcome: 'answered',
    lateMs: 0,
    isReused: true,
    ...own,
  };
}

function problem(status: number, code: string): LoadAnswer {
  const headers = { 'content-type': 'application/problem+json', 'retry-after': '1' };
  return answer({ status, headers, body: JSON.stringify({ code }) });
}

describe('what a client may conclude', () => {
  test('a write that was refused has had no effect, unless the refusal leaves that open', () => {
    for (const [status, code, outcome, isFailure] of [
      [503, 'database_unavailable', 'refused', true],
      [503, 'outbox_full', 'refused', true],
      [412, 'precondition_failed', 'refused', false],
      [503, 'outcome_unknown', 'unknown', true],
      [504, 'deadline_exceeded', 'unknown', true],
      [503, 'stopped', 'unknown', true],
      [500, 'database_failed', 'unknown', true],
      [409, 'idempotency_in_progress', 'unknown', false],
    ] as const) {
      const attempt = readAttempt(create, problem(status, code));
      assert.deepEqual([attempt.outcome, attempt.isFailure], [outcome, isFailure], code);
    }
  });

  test('without an answer all is open, but for what was never sent', () => {
    assert.equal(readAttempt(create, answer({ outcome: 'broken' })).outcome, 'unknown');
    assert.equal(readAttempt(create, answer({ outcome: 'timed_out' })).outcome, 'unknown');
    assert.equal(readAttempt(create, answer({ outcome: 'shed', sentMs: undefined })).outcome, 'refused');
    assert.equal(readAttempt(create, answer({ outcome: 'refused_connection' })).outcome, 'refused');
    assert.equal(readAttempt(create, answer({ status: 502, body: 'oops' })).outcome, 'unknown');
  });

  test('of what was never sent it is told whose fault that was: only a late generator excuses the server', () => {
    const fate = (own: Partial<LoadAnswer>) => {
      const attempt = readAttempt(create, answer(own));
      return [attempt.fate, attempt.isFailure];
    };
    assert.deepEqual(fate({ status: 503 }), ['answered', true]);
    assert.deepEqual(fate({ status: 201 }), ['answered', false]);
    assert.deepEqual(fate({ outcome: 'timed_out' }), ['no_answer', true]);
    assert.deepEqual(fate({ outcome: 'timed_out', lateMs: 4000 }), ['no_answer', true]);
    const unsent = { sentMs: undefined };
    assert.deepEqual(fate({ ...unsent, outcome: 'refused_connection' }), ['no_connection', true]);
    for (const outcome of ['shed', 'timed_out'] as const) {
      assert.deepEqual(fate({ ...unsent, outcome, lateMs: 3 }), ['not_sent', true]);
      assert.deepEqual(fate({ ...unsent, outcome, lateMs: 900 }), ['generator_late', false]);
    }
  });

  test('a creation gives its link, a read what it found, and a link that is gone is an answer', () => {
    const created = readAttempt(
      create,
      answer({ status: 201, body: '{"id":"7","code":"x","url":"u","expiresAt":"1970-01-01T00:00:03Z"}' }),
      view,
    );
    assert.deepEqual(created.learnt, { id: '7', serverMs: 2000, remember: { code: 'x' } });
    assert.equal(readAttempt(read, answer({ status: 200, body: '{"url":"u"}' }), view).found, 'u');
    const gone = readAttempt(read, problem(404, 'link_not_found'), view);
    assert.deepEqual([gone.outcome, gone.found, gone.isFailure], ['ok', undefined, false]);
    const followed = readAttempt(
      makePlanned('follow', item),
      answer({ status: 302, headers: { location: 'there' } }),
      view,
    );
    assert.equal(followed.found, 'there');
  });
});

describe('the history', () => {
  test('is in the order of sending, and what is open has no end', () => {
    const late = makeAttempt({ planned: read, intendedMs: 100, sentMs: 140, endedMs: 150, found: 'u' });
    const open = makeAttempt({ planned: create, intendedMs: 110, sentMs: 120, outcome: 'unknown' });
    const { operations } = historyOf([late, open], 100);
    assert.deepEqual(
      operations.map(({ id, route, key, sentMs, endedMs }) => [id, route, key, sentMs, endedMs]),
      [
        [0, 'createLink', 'item-1', 20, undefined],
        [1, 'getLink', 'item-1', 40, 50],
      ],
    );
    assert.deepEqual(operations[1]?.action, { kind: 'read', value: 'u' });
  });

  test('all attempts at one creation are one operation, from the first sending to the first acknowledgement', () => {
    const attempts = [
      makeAttempt({ planned: create, sentMs: 10, endedMs: 20, outcome: 'unknown' }),
      makeAttempt({ planned: create, sentMs: 30, endedMs: 40, outcome: 'refused' }),
      makeAttempt({ planned: create, sentMs: 50, endedMs: 60 }),
      makeAttempt({ planned: read, sentMs: 55, endedMs: 70 }),
    ];
    const joined = joinAttempts(attempts);
    assert.deepEqual(
      joined.map(({ sentMs, endedMs, outcome }) => [sentMs, endedMs, outcome]),
      [
        [10, 60, 'ok'],
        [55, 70, 'ok'],
      ],
    );
  });

  test('a creation that was refused begins with the next attempt', () => {
    const attempts = [
      makeAttempt({ planned: create, sentMs: 10, endedMs: 20, outcome: 'refused' }),
      makeAttempt({ planned: create, sentMs: 50, endedMs: 60, outcome: 'unknown' }),
    ];
    const [joined] = joinAttempts(attempts);
    assert.deepEqual([joined?.sentMs, joined?.outcome], [50, 'unknown']);
  });
});
