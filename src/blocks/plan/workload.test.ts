import assert from 'node:assert/strict';
import { test } from 'node:test';
import { models } from './plan.fixture.ts';
import { readWorkload } from './workload.ts';

const users = { daily: 1000 };
const posts = { read: { perUserPerDay: 1 } };

const refusals: readonly (readonly [string, unknown, RegExp])[] = [
  ['nothing', undefined, /^users: is required$/],
  ['no system', { users }, /^workload: names no system/],
  [
    'an unknown key',
    { users, usres: 1, custom: { posts } },
    /^usres: is not known here \(value 1\); known is name, users,/,
  ],
  [
    'an unknown key of an operation',
    { users, custom: { posts: { read: { perUserPerDay: 1, size: 3 } } } },
    /^custom\.posts\.read\.size: is not known here \(value 3\); known is perUserPerDay, requestBytes/,
  ],
  [
    'no users',
    { users: { daily: 0 }, custom: { posts } },
    /^users\.daily: 0 is not allowed; allowed is an integer from 1/,
  ],
  [
    'an unknown system',
    { users, systems: { chat: {} } },
    /^systems\.chat: is not known here \(value an object\); known is shop; your own go under custom$/,
  ],
  [
    'an unknown operation',
    { users, systems: { shop: { sell: { perUserPerDay: 1 } } } },
    /^systems\.shop\.sell: is not known here \(value an object\); known is hotPercent, retentionDays, look, buy$/,
  ],
  [
    'a size in binary units',
    { users, custom: { posts: { write: { perUserPerDay: 1, rowBytes: '1 KiB' } } } },
    /^custom\.posts\.write\.rowBytes: "1 KiB" is not allowed; allowed is a number of bytes, or a size such as 500 KB/,
  ],
  ['a list of systems', { users, systems: ['shop'] }, /^systems/],
  ['a system that is none', { users, custom: { posts: 3 } }, /^custom\.posts: 3 is not allowed/],
  [
    'a name that is none',
    { users, custom: { 'My Posts': posts } },
    /^custom\."My Posts": allowed are small letters/,
  ],
  ['no rate', { users, custom: { posts: {} } }, /^custom\.posts: says neither actionsPerUserPerDay nor/],
  [
    'two rates',
    { users, custom: { posts: { ...posts, actionsPerUserPerDay: 3 } } },
    /^custom\.posts: says actionsPerUserPerDay and perUserPerDay/,
  ],
  [
    'a ratio of nothing',
    { users, custom: { posts: { ...posts, readsPerWrite: 3 } } },
    /^custom\.posts\.readsPerWrite/,
  ],
  [
    'a name twice',
    { users, systems: { shop: {} }, custom: { shop: posts } },
    /^custom\.shop: is also under systems$/,
  ],
  [
    'a rate that is missing',
    { users, systems: { shop: { look: {} } } },
    /^systems\.shop\.look\.perUserPerDay: is required$/,
  ],
];

for (const [what, raw, detail] of refusals) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => readWorkload(raw, models),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'workload_invalid');
        assert.match(error.message, detail);
        return true;
      },
    );
  });
}

test('defaults are filled in', () => {
  const workload = readWorkload({ users, custom: { posts } }, models);
  assert.equal(workload.peakFactor, 3);
  assert.deepEqual(workload.availability, {
    targetPercent: 99.9,
    serverPercent: 99.5,
    dependsOnPercents: [],
  });
  assert.equal(workload.custom.posts?.write.rowBytes, 500);
});
