import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#base/random';
import {
  createdStays,
  findStepsBack,
  findUnreadWrites,
  findVanished,
  type SessionOperation,
  sessionsHold,
} from './guarantees.ts';
import { inOrder, makeLinearizable, op } from './linearizability.fixture.ts';

const by = (session: number, ...of: Parameters<typeof op>): SessionOperation => ({ ...op(...of), session });
const unknown = { outcome: 'unknown' } as const;

describe('read your writes', () => {
  const count = (...operations: SessionOperation[]) =>
    findUnreadWrites({ operations: inOrder(operations) }).length;
  const [a, b] = [by(1, ['write', 'a', 0, 1]), by(1, ['write', 'b', 2, 3])];

  test('a caller that is shown what it had overwritten, or nothing, is wronged', () => {
    assert.equal(count(a, b, by(1, ['read', 'a', 4, 5])), 1);
    assert.equal(count(a, by(1, ['read', undefined, 4, 5])), 1);
    assert.equal(count(a, by(2, ['write', 'b', 2, 3]), by(2, ['read', 'a', 4, 5])), 1);
  });

  test('another caller is not, nor a read of another key', () => {
    assert.equal(count(a, b, by(2, ['read', 'a', 4, 5])), 0);
    assert.equal(count(a, b, by(1, ['read', undefined, 4, 5], { key: 'y' })), 0);
  });

  test('a newer value, one written at the same time, and one whose writes are unknown are no wrong', () => {
    assert.equal(count(a, by(2, ['write', 'c', 2, 3]), by(1, ['read', 'c', 4, 5])), 0);
    assert.equal(count(a, by(2, ['write', 'c', 0, 3]), by(1, ['read', 'c', 4, 5])), 0);
    assert.equal(count(by(2, ['write', 'c', 0, 1], unknown), b, by(1, ['read', 'c', 9, 10])), 0);
  });

  test('a read sent before the write was answered owes it nothing', () => {
    assert.equal(count(a, by(1, ['write', 'b', 2, 9]), by(1, ['read', 'a', 4, 5])), 0);
  });

  test('an older write still counts while a newer one is under way', () => {
    assert.equal(count(a, by(1, ['write', 'b', 2, 9]), by(1, ['read', undefined, 4, 5])), 1);
  });

  test('a value that comes back by another write is no wrong', () => {
    assert.equal(count(a, b, by(2, ['write', 'a', 4, 5]), by(1, ['read', 'a', 6, 7])), 0);
  });

  test('a removal is a write', () => {
    assert.equal(count(a, by(1, ['write', undefined, 2, 3]), by(1, ['read', 'a', 4, 5])), 1);
    assert.equal(count(a, by(1, ['write', undefined, 2, 3]), by(1, ['read', undefined, 4, 5])), 0);
  });
});

describe('monotonic reads', () => {
  const count = (...operations: SessionOperation[]) =>
    findStepsBack({ operations: inOrder(operations) }).length;
  const written = [by(9, ['write', 'a', 0, 1]), by(9, ['write', 'b', 2, 3])];

  test('a caller that is shown a newer value and then an older one is wronged, once for each', () => {
    const [newer, older] = [by(1, ['read', 'b', 4, 5]), by(1, ['read', 'a', 6, 7])];
    assert.equal(count(...written, newer, older), 1);
    assert.equal(count(...written, newer, older, by(1, ['read', undefined, 8, 9])), 2);
  });

  test('two callers at two replicas are not', () => {
    assert.equal(count(...written, by(1, ['read', 'b', 4, 5]), by(2, ['read', 'a', 6, 7])), 0);
  });

  test('old reads that do not go back are no wrong', () => {
    assert.equal(count(...written, by(1, ['read', 'a', 4, 5]), by(1, ['read', 'a', 6, 7])), 0);
    assert.equal(count(...written, by(1, ['read', undefined, 4, 5]), by(1, ['read', 'a', 6, 7])), 0);
  });

  test('what a caller wrote itself it need not have read', () => {
    assert.equal(count(...written, by(9, ['read', 'a', 4, 5])), 0);
  });
});

describe('what was created does not vanish', () => {
  const count = (...operations: SessionOperation[]) =>
    findVanished({ operations: inOrder(operations) }).length;
  const created = by(1, ['write', 'a', 0, 1]);

  test('a read by anybody that finds nothing is a wrong', () => {
    assert.equal(count(created, by(2, ['read', undefined, 2, 3])), 1);
    assert.equal(count(created, by(1, ['read', undefined, 2, 3]), by(1, ['read', undefined, 4, 5])), 2);
  });

  test('unless it was sent before the answer, or somebody may have removed it', () => {
    assert.equal(count(created, by(2, ['read', undefined, 1, 3])), 0);
    const removal = by(3, ['write', undefined, 2, 3], unknown);
    assert.equal(count(created, removal, by(2, ['read', undefined, 50, 51])), 0);
    assert.equal(count(created, by(2, ['read', undefined, 0, 60]), removal), 0);
  });

  test('a creation that nobody was told of owes nothing', () => {
    assert.equal(count(by(1, ['write', 'a', 0, 1], unknown), by(2, ['read', undefined, 2, 3])), 0);
    const refused = by(1, ['write', 'a', 0, 1], { outcome: 'refused' });
    assert.equal(count(refused, by(2, ['read', undefined, 2, 3])), 0);
  });
});

test('a real register keeps all of these guarantees', () => {
  const shape = { operations: 400, keys: 3, readShare: 0.6, unknownShare: 0.05, durationMsMax: 10 };
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 1, max: 8 }),
      fc.constantFrom(2, 500),
      (seed, callers, values) => {
        const operations = makeLinearizable({ ...shape, callers, values }, seededRandom(seed));
        const checks = [...sessionsHold({ operations }), createdStays({ operations })];
        assert.deepEqual(
          checks.map(({ passed, detail }) => [passed, detail]),
          checks.map(({ detail }) => [true, detail]),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('a replica that lags is seen: reads of what was there a while ago', () => {
  const LAG_MS = 12;
  let wronged = 0;
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const shape = { operations: 300, keys: 1, callers: 3, readShare: 0, unknownShare: 0, values: 1e6 };
      const writes = makeLinearizable({ ...shape, durationMsMax: 5 }, seededRandom(seed));
      const reads = writes.map(({ endedMs = 0 }, at) => {
        const shown = writes.findLast((write) => (write.endedMs as number) <= endedMs - LAG_MS);
        return by(at % 3, ['read', shown?.action.value, endedMs + 0.1, endedMs + 0.2], { key: 'key-0' });
      });
      const operations = inOrder([...writes, ...reads]);
      wronged += findUnreadWrites({ operations }).length;
      assert.equal(findStepsBack({ operations }).length, 0);
    }),
    { numRuns: 20 },
  );
  assert(wronged > 1000, `${wronged} reads`);
});

test('a check says what contradicts what', () => {
  const operations = inOrder([by(1, ['write', 'a', 0, 1]), by(1, ['read', undefined, 2, 3])]);
  assert.deepEqual(createdStays({ operations }), {
    claim: 'what was created does not vanish',
    passed: false,
    detail:
      '1 reads, 1 of them against it\n"x": #1 read nothing, 2–3 ms, although before: #0 write "a", 0–1 ms',
  });
});
