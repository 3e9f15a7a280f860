import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type from 'typebox';
import { definePayload } from './payload.ts';

const Person = Type.Object({ first: Type.String(), last: Type.String() });
const upgrades = {
  1: ({ name }: { name: string }) => ({ name, isNamed: true }),
  2: ({ name }: { name: string }) => {
    const [first, last] = name.split(' ');
    return { first, last };
  },
};
const person = definePayload('person', Person, { version: 3, upgrades });

test('an old payload is brought to the present version step by step', () => {
  const now = { first: 'Ada', last: 'King' };
  assert.deepEqual(person.read(now, 3), { kind: 'read', payload: now });
  assert.deepEqual(person.read({ name: 'Ada King', isNamed: true }, 2), { kind: 'read', payload: now });
  assert.deepEqual(person.read({ name: 'Ada King' }, 1), { kind: 'read', payload: now });
});

test('what cannot be upgraded, or does not fit after it, is unreadable; a version to come is unknown', () => {
  const cannot = person.read(null, 1);
  assert.equal(cannot.kind, 'unreadable');
  assert(cannot.kind === 'unreadable' && cannot.cause instanceof TypeError);
  const wrong = person.read({ name: 'secret' }, 2);
  assert(wrong.kind === 'unreadable');
  assert.match(wrong.detail, /^person \(written in version 2\): .*last/);
  for (const version of [4, 0, -1, 1.5, Number.NaN])
    assert.equal(person.read({ first: 'a', last: 'b' }, version).kind, 'unknown_version');
});

test('an upgrade that changes what it is given does not change what is stored', () => {
  const careless = definePayload('careless', Type.Object({ n: Type.Integer() }), {
    version: 2,
    upgrades: { 1: (old: { n: number }) => Object.assign(old, { n: old.n + 1 }) },
  });
  const stored = { n: 1 };
  for (let i = 0; i < 2; i++) assert.deepEqual(careless.read(stored, 1), { kind: 'read', payload: { n: 2 } });
  assert.deepEqual(stored, { n: 1 });
});

test('what is wrong is said without the values', () => {
  const secret = 'hunter2';
  const text = person.describeMisfit({ first: secret, last: { [secret]: secret } });
  assert.match(text, /^\/last must be string$/);
  assert.doesNotMatch(person.describeMisfit(secret), /hunter2/);
});

test('each version before the present one has a step, and no other has', () => {
  const step = (old: object) => old;
  for (const [version, upgrades] of [
    [2, {}],
    [1, { 1: step }],
    [3, { 1: step }],
    [3, { 1: step, 2: step, 3: step }],
    [0, {}],
    [1.5, {}],
    [10_000, {}],
  ] as const)
    assert.throws(() => definePayload('it', Person, { version, upgrades }), { code: 'ERR_ASSERTION' });
});
