import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatWhole } from './numbers.ts';

test('numbers are rounded and grouped, whatever the locale of the process', () => {
  assert.deepEqual([0, 999, 1234.5, 1_234_567].map(formatWhole), ['0', '999', '1,235', '1,234,567']);
});
