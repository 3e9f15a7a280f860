import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUCKETS } from '#blocks/database';
import {
  BUCKET_MAX,
  bucketOfId,
  formatId,
  ID_TIME_MS_MAX,
  ID_TIME_MS_MIN,
  type IdParts,
  isId,
  parseId,
  SEQUENCE_MAX,
  WORKER_MAX,
} from './layout.ts';

const parts: fc.Arbitrary<IdParts> = fc.record(
  {
    timeMs: fc.integer({ min: ID_TIME_MS_MIN, max: ID_TIME_MS_MAX }),
    bucket: fc.nat(BUCKET_MAX),
    worker: fc.nat(WORKER_MAX),
    sequence: fc.nat(SEQUENCE_MAX),
  },
  { noNullPrototype: true },
);

test('an id gives back what it was made of', () => {
  fc.assert(
    fc.property(parts, (made) => {
      const id = formatId(made);
      assert(isId(id));
      assert.deepEqual(parseId(id), made);
      assert.equal(bucketOfId(id), made.bucket);
    }),
  );
});

test('ids order by time, then bucket, worker and sequence', () => {
  const key = ({ timeMs, bucket, worker, sequence }: IdParts) => [timeMs, bucket, worker, sequence];
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const order = key(a)
        .map((value, i) => Math.sign(value - key(b)[i]!))
        .find((sign) => sign !== 0);
      const difference = BigInt(formatId(a)) - BigInt(formatId(b));
      assert.equal(difference > 0n ? 1 : difference < 0n ? -1 : undefined, order);
    }),
  );
});

test('the layout of an id never changes', () => {
  assert.equal(formatId({ timeMs: ID_TIME_MS_MIN, bucket: 0, worker: 0, sequence: 0 }), '4194304');
  assert.equal(
    formatId({ timeMs: Date.UTC(2026, 10, 22), bucket: 5, worker: 3, sequence: 1 }),
    '117776056320020577',
  );
  assert.equal(
    formatId({ timeMs: ID_TIME_MS_MAX, bucket: BUCKET_MAX, worker: WORKER_MAX, sequence: SEQUENCE_MAX }),
    '9223372036854775807',
  );
  assert.equal(new Date(ID_TIME_MS_MAX).getUTCFullYear(), 2095);
  assert.equal(BUCKET_MAX + 1, BUCKETS);
});

test('only a canonical positive 64-bit decimal is an id', () => {
  for (const text of ['1', '42', '9223372036854775807', '999999999999999999']) assert(isId(text), text);
  const refused = ['', '0', '-1', '+1', '01', '1.0', '1e5', ' 1', '1 ', '1\n', '0x1f', '１', '1n'];
  const tooLarge = ['9223372036854775808', '9999999999999999999', '10000000000000000000'];
  for (const text of [...refused, ...tooLarge]) assert(!isId(text), JSON.stringify(text));
});
