import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { downtime, downtimes, formatSeconds, inParallel, inSeries } from './availability.ts';
import { formatAmount } from './units.ts';

const percent = (share: number) => formatAmount(share * 100, '%');

test('99.9 % and 99.9 %: 99.8 % in series, 99.9999 % in parallel', () => {
  assert.equal(percent(inSeries([0.999, 0.999])), '99.8001 %');
  assert.equal((inSeries([0.999, 0.999]) * 100).toFixed(1), '99.8');
  assert.equal(percent(inParallel([0.999, 0.999])), '99.9999 %');
});

test('the table of nines', () => {
  const rows = downtimes.map((row) => [row.percent, ...[row.perYearS, row.perMonthS].map(formatSeconds)]);
  assert.deepEqual(rows, [
    [90, '36 d 12 h', '3 d 1 h'],
    [99, '3 d 15 h 36 min', '7 h 18 min'],
    [99.5, '1 d 19 h 48 min', '3 h 39 min'],
    [99.9, '8 h 45 min 36 s', '43 min 48 s'],
    [99.95, '4 h 22 min 48 s', '21 min 54 s'],
    [99.99, '52 min 34 s', '4 min 23 s'],
    [99.999, '5 min 15 s', '26 s'],
    [99.9999, '32 s', '2.6 s'],
  ]);
  assert.equal(formatSeconds(downtime(100).perYearS), '0 s');
});

test('a part more makes a series worse and a parallel better', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(share, { maxLength: 8 }), share, (parts, more) => {
      assert(inSeries([...parts, more]) <= inSeries(parts) + 1e-12);
      assert(inParallel([...parts, more]) >= inParallel(parts) - 1e-12);
    }),
  );
});
