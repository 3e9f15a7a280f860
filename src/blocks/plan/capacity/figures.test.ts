import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { demandsOf } from '../demand.ts';
import { anyWorkload, models } from '../plan.fixture.ts';
import { product, sum } from './figures.ts';

const TOLERANCE = 0.02;

/** What a line of sums, or of products and quotients from left to right, comes to. */
function evaluate(text: string): number {
  if (text.includes(' + ')) return text.split(' + ').reduce((all, part) => all + evaluate(part), 0);
  const [first = '', ...rest] = text.split(' ');
  const numberOf = (word: string) => Number(word.replaceAll(',', ''));
  let value = numberOf(first);
  for (let at = 0; at < rest.length; at += 2) {
    const by = numberOf(rest[at + 1] ?? '');
    value = rest[at] === '×' ? value * by : value / by;
  }
  return value;
}

test('a derivation shows its terms', () => {
  const reads = product('reads', '/s', 100_000_000, 5, { over: 86_400 });
  assert.equal(reads.how, '100,000,000 × 5 ÷ 86,400 = 5,787.04/s');
  assert.equal(sum('all', '/s', [1, 2.5]).how, '1 + 2.5 = 3.5/s');
});

test('the arithmetic of a derivation comes to its value', () => {
  fc.assert(
    fc.property(anyWorkload, (workload) => {
      for (const { figures } of demandsOf(workload, models)) {
        for (const { name, value, how } of figures) {
          if (how.startsWith('at most')) continue;
          const found = evaluate(how.split(' = ')[0] ?? '');
          assert(Math.abs(found - value) <= TOLERANCE * value, `${name}: ${how} is not ${value}`);
        }
      }
    }),
  );
});
