import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redirectShape } from './api.ts';

test('a redirect states the greatest age that it may have without the database, the fresh ones included', () => {
  const age = (staleMsMax: number, cacheTtlMs: number) =>
    redirectShape({ staleMsMax, trailingSlash: 'redirect', cacheTtlMs }).whenPartitioned;
  assert.deepEqual(age(3_600_000, 30_000), { staleMsMax: 3_600_000 });
  assert.deepEqual(age(0, 30_000), { staleMsMax: 30_000 });
});
