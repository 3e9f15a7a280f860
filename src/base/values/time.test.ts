import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTime, toTime } from './time.ts';

test('what is written is read as the same time', () => {
  const times = fc.integer({ min: Date.UTC(0, 0, 1) - 1, max: Date.UTC(9999, 11, 31) });
  fc.assert(fc.property(times, (ms) => assert.equal(parseTime(toTime(ms)), ms)));
  assert.equal(toTime(new Date(5)), '1970-01-01T00:00:00.005Z');
  assert.deepEqual([toTime(null), toTime(undefined)], [null, null]);
});

test('an offset and more digits than milliseconds are read', () => {
  assert.equal(parseTime('2030-01-01T00:30:00.12399+05:45'), Date.parse('2029-12-31T18:45:00.123Z'));
});

test('anything else is no time', () => {
  const others = [
    '2030',
    '2030-01-01',
    '2030-01-01T00:00Z',
    '2030-01-01T00:00:00',
    '1 May 2030',
    '2030-02-30T00:00:00Z',
  ];
  for (const text of [...others, '', '2030-01-01T24:00:00Z', '2030-01-01T00:00:60Z', '2030-01-01 00:00:00Z'])
    assert.equal(parseTime(text), undefined, text);
});
