import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#base/random';
import type { Operation } from './history.ts';
import { hasOrder, inOrder, makeLinearizable, mutate, op, type Shape } from './linearizability.fixture.ts';
import { checkLinearizability, describeLinearizability, linearizable } from './linearizability.ts';

const outcomeOf = (operations: readonly Operation[]) =>
  checkLinearizability({ operations: inOrder(operations) }).outcome;
const unknown = { outcome: 'unknown' } as const;
const refused = { outcome: 'refused' } as const;

describe('histories known from the literature', () => {
  const known: [name: string, expected: 'linearizable' | 'violated', operations: Operation[]][] = [
    ['nothing at all', 'linearizable', []],
    [
      'nothing, read before the first write',
      'linearizable',
      [op(['read', undefined, 0, 1]), op(['write', 'a', 2, 3])],
    ],
    ['one after the other', 'linearizable', [op(['write', 'a', 0, 1]), op(['read', 'a', 2, 3])]],
    [
      'a stale read',
      'violated',
      [op(['write', 'a', 0, 1]), op(['write', 'b', 2, 3]), op(['read', 'a', 4, 5])],
    ],
    [
      'a read during a write sees either value',
      'linearizable',
      [op(['write', 'a', 0, 1]), op(['write', 'b', 2, 9]), op(['read', 'a', 3, 4]), op(['read', 'b', 5, 6])],
    ],
    [
      'new, then old, during one write (Herlihy & Wing: not atomic)',
      'violated',
      [op(['write', 'a', 0, 1]), op(['write', 'b', 2, 9]), op(['read', 'b', 3, 4]), op(['read', 'a', 5, 6])],
    ],
    [
      'a lost update: two writes acknowledged, the first one stays for ever',
      'violated',
      [op(['write', 'a', 0, 1]), op(['write', 'b', 2, 3]), op(['read', 'a', 4, 5]), op(['read', 'a', 6, 7])],
    ],
    [
      'an acknowledged write that nobody sees',
      'violated',
      [op(['write', 'a', 0, 1]), op(['read', undefined, 2, 3])],
    ],
    [
      'two writes at the same time, seen in two orders',
      'violated',
      [op(['write', 'a', 0, 5]), op(['write', 'b', 0, 5]), op(['read', 'a', 6, 7]), op(['read', 'b', 8, 9])],
    ],
    [
      'two writes at the same time, seen in one order',
      'linearizable',
      [op(['write', 'a', 0, 5]), op(['write', 'b', 0, 5]), op(['read', 'a', 1, 2]), op(['read', 'b', 6, 7])],
    ],
    ['a read from the future', 'violated', [op(['read', 'a', 0, 1]), op(['write', 'a', 2, 3])]],
    ['a value from nowhere', 'violated', [op(['write', 'a', 0, 1]), op(['read', 'b', 2, 3])]],
    [
      'an unknown write, seen much later',
      'linearizable',
      [
        op(['write', 'a', 0, 1]),
        op(['write', 'b', 2, 3], unknown),
        op(['read', 'a', 50, 51]),
        op(['read', 'b', 60, 61]),
      ],
    ],
    [
      'an unknown write, seen and then gone',
      'violated',
      [
        op(['write', 'a', 0, 1]),
        op(['write', 'b', 2, 3], unknown),
        op(['read', 'b', 50, 51]),
        op(['read', 'a', 60, 61]),
      ],
    ],
    [
      'an unknown write that takes effect twice',
      'violated',
      [
        op(['write', 'b', 0, 3], unknown),
        op(['read', 'b', 5, 6]),
        op(['write', 'a', 7, 8]),
        op(['read', 'b', 9, 10]),
        op(['write', 'c', 11, 12]),
        op(['read', 'b', 13, 14]),
      ],
    ],
    [
      'an unknown write, seen before it was sent',
      'violated',
      [op(['read', 'b', 0, 1]), op(['write', 'b', 2, 3], unknown)],
    ],
    [
      'a refused write, seen all the same',
      'violated',
      [op(['write', 'a', 0, 1]), op(['write', 'b', 2, 3], refused), op(['read', 'b', 4, 5])],
    ],
    [
      'a refused write without effect, a read without an answer',
      'linearizable',
      [
        op(['write', 'a', 0, 1]),
        op(['write', 'b', 2, 3], refused),
        op(['read', 'z', 2, 3], unknown),
        op(['read', 'a', 4, 5]),
      ],
    ],
    [
      'split brain: each side sees its own writes',
      'violated',
      [
        op(['write', 'left', 10, 11]),
        op(['write', 'right', 12, 13]),
        op(['read', 'left', 14, 15]),
        op(['read', 'right', 16, 17]),
        op(['read', 'left', 18, 19]),
      ],
    ],
    [
      'a removal, and a value that comes back from it',
      'violated',
      [op(['write', 'a', 0, 1]), op(['write', undefined, 2, 3]), op(['read', 'a', 4, 5])],
    ],
    [
      'a removal that is seen',
      'linearizable',
      [op(['write', 'a', 0, 1]), op(['write', undefined, 2, 3]), op(['read', undefined, 4, 5])],
    ],
    [
      'the same value written twice',
      'linearizable',
      [
        op(['write', 'a', 0, 1]),
        op(['write', 'b', 2, 3]),
        op(['read', 'b', 4, 5]),
        op(['write', 'a', 6, 7]),
        op(['read', 'a', 8, 9]),
      ],
    ],
    [
      'an answer and a request at the same moment are in no order',
      'linearizable',
      [op(['write', 'a', 0, 4]), op(['read', undefined, 4, 5])],
    ],
  ];
  for (const [name, expected, operations] of known) {
    test(`${name}: ${expected}`, () => {
      assert.equal(outcomeOf(operations), expected);
      assert.equal(hasOrder(operations), expected === 'linearizable', 'and by every order');
    });
  }
});

const RUNS = 6000;
const SMALL = 7;
const LONG_RUNS = 150;

test('agrees with the trial of every order, on random histories', () => {
  const verdicts = { linearizable: 0, violated: 0, undecided: 0 };
  const operation = fc
    .record({
      isRead: fc.boolean(),
      value: fc.constantFrom(undefined, 'a', 'b', 'c'),
      sentMs: fc.integer({ min: 0, max: 12 }),
      tookMs: fc.integer({ min: 0, max: 6 }),
      outcome: fc.constantFrom('ok', 'ok', 'ok', 'ok', 'unknown', 'refused'),
    })
    .map(({ isRead, value, sentMs, tookMs, outcome }) =>
      op([isRead ? 'read' : 'write', value, sentMs, sentMs + tookMs], { outcome: outcome as 'ok' }),
    );
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: SMALL, size: 'max' }), (operations) => {
      const outcome = outcomeOf(operations);
      verdicts[outcome] += 1;
      assert.equal(outcome, hasOrder(operations) ? 'linearizable' : 'violated');
    }),
    { numRuns: RUNS },
  );
  assert(verdicts.linearizable > RUNS / 10 && verdicts.violated > RUNS / 10, JSON.stringify(verdicts));
});

const FEW: Shape = {
  operations: SMALL,
  keys: 1,
  callers: 3,
  readShare: 0.5,
  unknownShare: 0.15,
  values: 3,
  durationMsMax: 10,
};

test('histories of a real register have an order; with one operation changed they agree with every order', () => {
  const verdicts = { linearizable: 0, violated: 0, undecided: 0 };
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 2, max: 5 }), (seed, values) => {
      const random = seededRandom(seed);
      const operations = makeLinearizable({ ...FEW, values }, random);
      assert.equal(outcomeOf(operations), 'linearizable');
      const changed = mutate(operations, random);
      const outcome = outcomeOf(changed);
      verdicts[outcome] += 1;
      assert.equal(outcome, hasOrder(changed) ? 'linearizable' : 'violated');
    }),
    { numRuns: RUNS / 2 },
  );
  assert(verdicts.violated > RUNS / 2 / 5, JSON.stringify(verdicts));
  assert(verdicts.linearizable > RUNS / 2 / 10, JSON.stringify(verdicts));
});

test('long histories of real registers have an order, and mostly none with one operation changed', () => {
  const verdicts = { linearizable: 0, violated: 0, undecided: 0 };
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer(),
        keys: fc.integer({ min: 1, max: 4 }),
        callers: fc.integer({ min: 1, max: 20 }),
        values: fc.constantFrom(2, 5, 1000),
        readShare: fc.constantFrom(0.1, 0.5, 0.9),
        unknownShare: fc.constantFrom(0, 0.02, 0.1),
      }),
      ({ seed, ...shape }) => {
        const random = seededRandom(seed);
        const operations = makeLinearizable({ operations: 600, durationMsMax: 20, ...shape }, random);
        assert.equal(outcomeOf(operations), 'linearizable');
        verdicts[outcomeOf(mutate(operations, random))] += 1;
      },
    ),
    { numRuns: LONG_RUNS },
  );
  assert(verdicts.violated > LONG_RUNS / 3, JSON.stringify(verdicts));
  assert.equal(verdicts.undecided, 0);
});

test("the cost of a drill's history grows with its length, and not faster", (t) => {
  const shape = { keys: 100, callers: 20, readShare: 0.5, unknownShare: 0.01, durationMsMax: 20 };
  for (const operations of [10_000, 100_000]) {
    const history = { operations: makeLinearizable({ ...shape, operations, values: 1e6 }, seededRandom(5)) };
    const startedMs = performance.now();
    const { outcome, steps } = checkLinearizability(history);
    t.diagnostic(`${operations} operations: ${steps} steps, ${Math.round(performance.now() - startedMs)} ms`);
    assert.equal(outcome, 'linearizable');
    assert(steps < 2 * operations, `${steps} steps for ${operations} operations`);
  }
});

describe('what is said of a violation', () => {
  /** A thousand good operations, and one stale read in the middle of another key. */
  function staleHistory(): Operation[] {
    const good = makeLinearizable(
      {
        operations: 1000,
        keys: 5,
        callers: 8,
        readShare: 0.5,
        unknownShare: 0.02,
        values: 500,
        durationMsMax: 5,
      },
      seededRandom(7),
    );
    const own = Array.from({ length: 200 }, (_, at) => [
      op(['write', `v${at}`, at * 4, at * 4 + 1], { key: 'own' }),
      op(['read', at === 120 ? 'v118' : `v${at}`, at * 4 + 2, at * 4 + 3], { key: 'own' }),
    ]).flat();
    return inOrder([...good, ...own]);
  }

  test('is the key, the answer that has no place, and no more than is needed to see why', () => {
    const found = checkLinearizability({ operations: staleHistory() });
    assert.deepEqual([found.outcome, found.violated, found.keys], ['violated', 1, 6]);
    const [violation] = found.violations;
    assert.deepEqual(
      violation?.operations.map(({ action }) => `${action.kind} ${action.value}`),
      ['write v118', 'read v118', 'write v119', 'read v118'].filter((_, at) => at !== 1),
    );
    assert.equal(violation?.culprit.action.value, 'v118');
    assert.equal(violation?.answeredBefore, 241);
  });

  test('reads well', () => {
    const check = linearizable({
      operations: inOrder([
        op(['write', 'a', 1000, 1004], { key: 'link' }),
        op(['write', 'b', 1010.4, 1012], { key: 'link' }),
        op(['write', 'c', 1011, 1012], { key: 'link', outcome: 'unknown' }),
        op(['read', 'a', 1020, 1021], { key: 'link' }),
        op(['read', 'a', 10, 11], { key: 'other', outcome: 'refused' }),
      ]),
    });
    assert.equal(check.passed, false);
    assert.equal(
      check.detail,
      [
        '5 operations on 2 keys',
        '1 of the keys are not linearizable',
        '"link": 2 answers have an order, the next one has no place in it',
        '  #1 write "a", 1,000–1,004 ms',
        '  #2 write "b", 1,010–1,012 ms',
        '  #4 read "a", 1,020–1,021 ms  <- no place',
      ].join('\n'),
    );
  });

  test('is bounded: so many keys, and values cut', () => {
    const operations = inOrder(
      Array.from({ length: 10 }, (_, at) => op(['read', 'x'.repeat(10_000), 0, 1], { key: `key-${at}` })),
    );
    const found = checkLinearizability({ operations }, { violationsMax: 2 });
    assert.deepEqual([found.violated, found.violations.length], [10, 2]);
    assert(describeLinearizability(found).length < 1000);
  });
});

describe('a bound', () => {
  const operations = makeLinearizable({ ...FEW, operations: 200, callers: 10, values: 100 }, seededRandom(3));
  for (const [bound, options] of [
    ['stepsMax', { stepsMax: 10 }],
    ['bytesMax', { bytesMax: 100 }],
  ] as const) {
    test(`that is met leaves the check undecided and failed, and says so: ${bound}`, () => {
      const found = checkLinearizability({ operations }, options);
      assert.deepEqual([found.outcome, found.undecided], ['undecided', [{ key: 'key-0', bound }]]);
      const check = linearizable({ operations }, options);
      assert.equal(check.passed, false);
      assert.match(check.detail, new RegExp(`given up for 1 of the keys, such as "key-0": ${bound} reached`));
    });
  }

  test('does not hide a key that is known to be at fault', () => {
    const bad = [op(['read', 'a', 0, 1], { key: 'bad' })];
    const found = checkLinearizability({ operations: inOrder([...bad, ...operations]) }, { stepsMax: 10 });
    assert.deepEqual([found.outcome, found.undecided.length], ['violated', 1]);
  });
});
