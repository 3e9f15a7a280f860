import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bucketOfKey, comparePositions, type StreamEvent, traceIdOf } from './event.ts';

test('positions compare as the numbers that they are', () => {
  const property = fc.property(
    fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    (a, b) => {
      assert.equal(Math.sign(comparePositions(String(a), String(b))), a < b ? -1 : a > b ? 1 : 0);
    },
  );
  fc.assert(property);
});

test('where a key lives never changes', () => {
  assert.deepEqual([bucketOfKey('1', 'a'), bucketOfKey('1', 'b'), bucketOfKey('2', 'a')], [437, 973, 377]);
});

test('the trace of an event is that of the request that published it', () => {
  const of = (traceparent: string | undefined) => traceIdOf({ traceparent } as StreamEvent);
  assert.equal(
    of('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
    '0af7651916cd43dd8448eb211c80319c',
  );
  assert.equal(of(undefined), undefined);
});
