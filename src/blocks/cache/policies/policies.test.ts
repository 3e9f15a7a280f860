import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#base/random';
import { createPolicy, POLICIES, type PolicyName } from '../policy-names.ts';
import { MODELS, type Model } from './models.fixture.ts';
import { NO_SLOT, type Policy } from './policy.ts';

type Step =
  | { kind: 'request' | 'renew'; key: number; untilMs: number }
  | { kind: 'remove'; key: number }
  | { kind: 'evict' };

const hashOf = (key: string) => Math.imul(Number(key) + 1, 0x9e3779b1);

/** Slots as a store hands them out, grown a few at a time. */
function createDriven(policy: Policy, entriesMax: number, growBy: number) {
  const slots = new Map<string, number>();
  const free: number[] = [];
  let used = 0;
  let room = 0;
  const keyOf = (slot: number) => [...slots].find(([, each]) => each === slot)?.[0];

  function evict(): string | undefined {
    const slot = policy.evict();
    if (slot === NO_SLOT) return undefined;
    const key = keyOf(slot);
    assert(key !== undefined, `slot ${slot} is not in use`);
    slots.delete(key);
    free.push(slot);
    return key;
  }

  return {
    has: (key: string) => slots.has(key),
    keys: () => [...slots.keys()].sort(),
    size: () => slots.size,
    evict,
    touch: (key: string) => policy.touch(slots.get(key) as number),
    renew: (key: string, untilMs: number) => policy.renew(slots.get(key) as number, untilMs),
    remove(key: string) {
      const slot = slots.get(key) as number;
      policy.remove(slot);
      slots.delete(key);
      free.push(slot);
    },
    add(key: string, untilMs: number) {
      const slot = free.pop() ?? used++;
      if (slot >= room) {
        room = Math.min(entriesMax, room + growBy);
        policy.grow(room);
      }
      policy.add(slot, hashOf(key), untilMs);
      slots.set(key, slot);
    },
  };
}

/** The same steps to both: what goes must be the same, each time. */
function follow(
  model: Model,
  driven: ReturnType<typeof createDriven>,
  entriesMax: number,
  steps: readonly Step[],
) {
  for (const [at, step] of steps.entries()) {
    if (step.kind === 'evict') {
      assert.equal(driven.evict(), model.evict(), `step ${at}`);
      continue;
    }
    const key = String(step.key);
    const isThere = driven.has(key);
    if (step.kind === 'remove') {
      if (isThere) for (const each of [driven, model]) each.remove(key);
    } else if (isThere) {
      for (const each of [driven, model]) {
        if (step.kind === 'renew') each.renew(key, step.untilMs);
        else each.touch(key);
      }
    } else {
      if (driven.size() >= entriesMax) assert.equal(driven.evict(), model.evict(), `step ${at}, for ${key}`);
      for (const each of [driven, model]) each.add(key, step.untilMs);
    }
  }
  for (let left = driven.size(); left > 0; left--) assert.equal(driven.evict(), model.evict());
  assert.equal(driven.evict(), undefined);
}

const keys = fc.integer({ min: 0, max: 30 });
const untilMs = fc.integer({ min: 0, max: 20 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('request' as const), key: keys, untilMs }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('renew' as const), key: keys, untilMs }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), key: keys }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('evict' as const) }) },
);

const modelled = POLICIES.filter((name) => name !== 'random') as Exclude<PolicyName, 'random'>[];

for (const name of modelled) {
  test(`property: ${name} does as its model does`, () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300, size: 'max' }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        (steps, entriesMax, growBy) => {
          // The sketch and the samples of window-TinyLFU are as large as what it has grown to.
          const grownBy = name === 'window-tiny-lfu' ? entriesMax : growBy;
          const policy = createPolicy(name, seededRandom(1));
          follow(
            MODELS[name](entriesMax, hashOf),
            createDriven(policy, entriesMax, grownBy),
            entriesMax,
            steps,
          );
        },
      ),
      { numRuns: 150 },
    );
  });
}

/** Long enough that the sketch ages and the climber climbs. */
function longTrace(seed: number, length: number, keysMax: number): Step[] {
  const random = seededRandom(seed);
  return Array.from({ length }, (_, at) => {
    const isScan = at % 500 < 100;
    const key = isScan ? at % keysMax : Math.floor(keysMax * random.fraction() ** 4);
    return { kind: 'request' as const, key, untilMs: Math.floor(1000 * random.fraction()) };
  });
}

for (const name of modelled) {
  test(`${name} does as its model does over a long trace`, () => {
    const driven = createDriven(createPolicy(name, seededRandom(1)), 40, 40);
    follow(MODELS[name](40, hashOf), driven, 40, longTrace(7, 12_000, 120));
  });
}

test('random: each is as likely to go as any other, and what was removed does not go', () => {
  const policy = createPolicy('random', seededRandom(5));
  const driven = createDriven(policy, 10, 3);
  const gone = new Map<string, number>();
  for (let round = 0; round < 20_000; round++) {
    while (driven.size() < 10)
      driven.add(String([...Array(10).keys()].find((key) => !driven.has(String(key)))), 0);
    if (round % 3 === 0) driven.remove('7');
    const key = driven.evict() ?? '';
    assert(!(round % 3 === 0 && key === '7'));
    gone.set(key, (gone.get(key) ?? 0) + 1);
  }
  for (const [key, count] of gone) {
    const expected = key === '7' ? (20_000 * 2) / 3 / 10 : 20_000 / 10;
    assert(Math.abs(count - expected) < 0.15 * expected, `${key} went ${count} times`);
  }
});

test('an empty policy has nobody to go', () => {
  for (const name of POLICIES) {
    const policy = createPolicy(name, seededRandom(1));
    policy.grow(4);
    assert.equal(policy.evict(), NO_SLOT, name);
  }
});
