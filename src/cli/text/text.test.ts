import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { alignColumns, formatCount, formatSpan, formatTime, oneLine, shellQuote } from './text.ts';

test('columns are as wide as their widest cell, and lines end where their text does', () => {
  assert.equal(
    alignColumns([
      ['A', 'LONG', 'C'],
      ['aaa', 'b', ''],
    ]),
    'A    LONG  C\naaa  b',
  );
  assert.equal(alignColumns([]), '');
});

test('whatever a text holds, it becomes one line that no terminal obeys, and no longer than it may be', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 2, max: 50 }), (text, lengthMax) => {
      const line = oneLine(text, lengthMax);
      assert(line.length <= lengthMax);
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
  );
  assert.equal(oneLine('one\r\n  two\u0000\u001b[0m'), 'one two [0m');
  assert.equal(oneLine('abcdef', 4), 'abc…');
});

test('times are RFC 3339 in UTC, and none is a dash', () => {
  const ms = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  assert.equal(formatTime(ms), '2026-01-02T03:04:05Z');
  assert.equal(formatTime(undefined), '-');
});

test('lengths of time are in the largest unit of which there are two', () => {
  const of = (s: number) => formatSpan(s * 1000);
  assert.deepEqual([0.04, 9.9, 90, 119, 120, 7199, 7200, 172_799, 172_800].map(of), [
    '0.0 s',
    '9.9 s',
    '90 s',
    '119 s',
    '2 min',
    '119 min',
    '2 h',
    '47 h',
    '2 d',
  ]);
});

test('one thing, several things', () => {
  assert.deepEqual(
    [0, 1, 1234].map((count) => formatCount(count, 'job')),
    ['0 jobs', '1 job', '1,234 jobs'],
  );
});

test('a word for a shell is pasted as it is', () => {
  assert.deepEqual(['/srv/data', 'a b', "it's", '', '$HOME;', 'x*'].map(shellQuote), [
    '/srv/data',
    "'a b'",
    "'it'\\''s'",
    "''",
    "'$HOME;'",
    "'x*'",
  ]);
});
