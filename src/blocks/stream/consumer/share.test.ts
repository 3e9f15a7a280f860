import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planShare } from './share.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];

interface Group {
  partitions: { partition: number; holder: string | undefined }[];
  members: string[];
}

/** Any group, with partitions held by members, or by nobody that lives. */
const groups: fc.Arbitrary<Group> = fc
  .record({
    members: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1 }),
    holders: fc.array(fc.option(fc.nat(NAMES.length - 1), { nil: undefined }), {
      minLength: 1,
      maxLength: 40,
    }),
  })
  .map(({ members, holders }) => ({
    members,
    partitions: holders.map((holder, partition) => ({
      partition,
      holder: holder === undefined ? undefined : members[holder],
    })),
  }));

/** One member looks and acts: gives up its surplus, and takes what it wants. @returns how many partitions changed hands */
function act({ partitions, members }: Group, me: string): number {
  const { surplus, wanted } = planShare({ me, members, partitions });
  for (const each of partitions) {
    if (surplus.includes(each.partition)) each.holder = undefined;
    if (!wanted.includes(each.partition)) continue;
    assert.equal(each.holder, undefined, 'only what is free is taken');
    each.holder = me;
  }
  return surplus.length + wanted.length;
}

const held = ({ partitions }: Group, me: string) => partitions.filter(({ holder }) => holder === me).length;

test('members who act in any order come to equal shares, and then nothing moves any more', () => {
  const property = fc.property(groups, (group) => {
    for (let round = 0; round < 3; round++) for (const me of group.members) act(group, me);
    assert(group.partitions.every(({ holder }) => holder !== undefined));
    const sizes = group.members.map((me) => held(group, me));
    assert(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`);
    for (const me of group.members) assert.equal(act(group, me), 0);
  });
  fc.assert(property);
});

test('one more member moves no more partitions than its share', () => {
  const property = fc.property(groups, (group) => {
    for (let round = 0; round < 3; round++) for (const me of group.members) act(group, me);
    const before = group.partitions.map(({ holder }) => holder);
    // The last by name, so that the shares of the others only shrink.
    const all = { ...group, members: [...group.members, 'z'] };
    for (let round = 0; round < 3; round++) for (const me of all.members) act(all, me);
    const moved = all.partitions.filter(({ holder }, i) => holder !== before[i]).length;
    assert.equal(moved, held(all, 'z'));
  });
  fc.assert(property);
});

test('members who look at the same moment want different partitions', () => {
  const partitions = Array.from({ length: 16 }, (_, partition) => ({ partition, holder: undefined }));
  const wanted = ['a', 'b'].map((me) => planShare({ me, members: ['a', 'b'], partitions }).wanted);
  assert.equal(new Set(wanted.flat()).size, 16);
});
