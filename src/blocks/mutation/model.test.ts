import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { mutationCosts } from './model.ts';

test('the cost is that of the kept results', () => {
  const results = new URL('../../../bench/results/mutations.md', import.meta.url);
  const row = readFileSync(results, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| loadstone: key, event, job |'))
    .at(1);
  const cells = row?.split('|').map((cell) => Number.parseInt(cell.replaceAll(/[ ,]/g, ''), 10));
  assert.equal(cells?.[5], mutationCosts.walBytes);
});
