import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address } from './address.ts';
import { parseAddress } from './address.ts';

const local: Address = { host: 'localhost', port: 5432, database: 'postgres', user: 'postgres', ssl: false };

const good: [string, Partial<Address>][] = [
  ['postgres://', {}],
  ['postgresql://db.example', { host: 'db.example' }],
  ['postgres://db.example:6432/shop', { host: 'db.example', port: 6432, database: 'shop' }],
  ['postgres://ann@db.example/shop', { host: 'db.example', user: 'ann', database: 'shop' }],
  ['postgres://ann:s%3Acret%2F@db.example', { host: 'db.example', user: 'ann', password: 's:cret/' }],
  ['postgres://a%40b@h/d%20e', { host: 'h', user: 'a@b', database: 'd e' }],
  ['postgres://127.0.0.1', { host: '127.0.0.1' }],
  ['postgres://[::1]:5433', { host: '::1', port: 5433 }],
  // Without a host, as libpq allows it.
  ['postgres:///shop', { database: 'shop' }],
  ['postgres://ann@/shop', { user: 'ann', database: 'shop' }],
  ['postgres://ann@:6432', { user: 'ann', port: 6432 }],
  ['postgres://ann:p@/shop?host=/run/pg', { user: 'ann', password: 'p', database: 'shop', host: '/run/pg' }],
  ['postgres://ann@?host=/run/pg', { user: 'ann', host: '/run/pg' }],
  ['postgres:///?host=%2Fwith%20space', { host: '/with space' }],
  ['postgres://%2Frun%2Fpg/shop', { host: '/run/pg', database: 'shop' }],
  ['postgres://other/shop?host=/run/pg', { host: '/run/pg', database: 'shop' }],
  ['postgres://h?sslmode=disable', { host: 'h', ssl: false }],
  ['postgres://h?sslmode=require', { host: 'h', ssl: { rejectUnauthorized: false } }],
  ['postgres://h?sslmode=verify-full', { host: 'h', ssl: { rejectUnauthorized: true } }],
];

test('addresses, and what they leave out', () => {
  for (const [text, parts] of good) assert.deepEqual(parseAddress(text), { ...local, ...parts }, text);
});

const bad: [string, RegExp][] = [
  ['postgres://h:notaport/', /^database\.primary: not a URL/],
  ['postgres://a:SECRET@h:1:2/', /^database\.primary: not a URL/],
  ['postgres://a:SECRET@[::1/', /^database\.primary: not a URL/],
  ['SECRET', /^database\.primary: not a URL/],
  ['postgres://h?sslmod=require', /unknown parameter sslmod; allowed are host, sslmode$/],
  ['postgres://h?sslmode=prefer', /unknown sslmode prefer; allowed are disable, require, verify-full$/],
  ['postgres://h?sslmode=constructor', /unknown sslmode constructor/],
  ['postgres://a:SECRET%zz@h', /the password has a %/],
  ['postgres://a%zz:SECRET@h', /the user has a %/],
  ['postgres://h/%zz', /the database has a %/],
];

test('what is wrong is named, and no password is shown', () => {
  for (const [text, message] of bad) {
    assert.throws(
      () => parseAddress(text),
      (error: Error) => {
        assert.equal((error as { code?: string }).code, 'database_unsupported', text);
        assert.match(error.message, message);
        assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}${error.cause}`, /SECRET/);
        return true;
      },
      text,
    );
  }
});
