import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Address, createRawMatcher } from './matcher.ts';

const raw = (path: string, method = 'GET'): Address<string> => ({ method, path, owner: path });
const framework = (path: string, method = 'GET'): Address<string> => ({ method, path, owner: 'framework' });

const found = (addresses: Address<string>[], url: string, method = 'GET') => {
  const match = createRawMatcher(addresses).find(method, url);
  return match && [match.route, { ...match.params }];
};

test('a word comes before a parameter, whoever has which, and each method is looked up by itself', () => {
  const addresses = [
    raw('/:code'),
    raw('/:code/'),
    raw('/v1/links/:id'),
    framework('/v1/links/counts'),
    framework('/v1/links/:id', 'DELETE'),
    raw('/v1/:kind/:id/raw'),
    framework('/v1/links/:id/history'),
    raw('/files/:id/parts/:part'),
    raw('/status'),
  ];
  const cases: [string, unknown][] = [
    ['/abc', ['/:code', { code: 'abc' }]],
    ['/abc?x=/y', ['/:code', { code: 'abc' }]],
    ['/abc/', ['/:code/', { code: 'abc' }]],
    ['/abc/?x', ['/:code/', { code: 'abc' }]],
    ['/status', ['/status', {}]],
    ['/v1/links/7', ['/v1/links/:id', { id: '7' }]],
    ['/v1/links/counts', undefined],
    ['/v1/links/7/raw', ['/v1/:kind/:id/raw', { kind: 'links', id: '7' }]],
    ['/v1/links/7/history', undefined],
    ['/files/a/parts/b', ['/files/:id/parts/:part', { id: 'a', part: 'b' }]],
    ['/files/a/parts', undefined],
    ['/abc//', undefined],
    ['//abc', undefined],
    ['/', undefined],
    ['/?abc', undefined],
    ['*', undefined],
    ['', undefined],
  ];
  for (const [url, match] of cases) assert.deepEqual(found(addresses, url), match, url);
  assert.equal(found(addresses, '/v1/links/7', 'DELETE'), undefined);
  assert.equal(found(addresses, '/abc', 'POST'), undefined);
});

test('the server’s own words are nobody’s parameter, however they are written', () => {
  const addresses = [raw('/:code'), raw('/:code/'), raw('/:a/:b')];
  for (const url of [
    '/docs',
    '/%64ocs',
    '/docs/',
    '/docs/errors',
    '/v1',
    '/v2/',
    '/v9/x',
    '/metrics',
    '/-/x',
  ])
    assert.equal(found(addresses, url), undefined, url);
  assert.deepEqual(found(addresses, '/v10'), ['/:code', { code: 'v10' }]);
});

test('parameters are decoded once, and what cannot be is left to the framework to refuse', () => {
  const cases: [string, string | undefined][] = [
    ['/My%2Dalias', 'My-alias'],
    ['/%4D%79%2d%61lias?x=%2F', 'My-alias'],
    ['/a%2Fb', 'a/b'],
    ['/My%252Dalias', 'My%2Dalias'],
    ['/abc%C3%A9', 'abcé'],
    ['/abc%', undefined],
    ['/abc%zz', undefined],
    ['/abc%ff', undefined],
  ];
  for (const [url, code] of cases) {
    assert.deepEqual(found([raw('/:code')], url), code && ['/:code', { code }], url);
  }
});

test('property: however a segment is encoded, it is the same', () => {
  const code = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{5,20}$/);
  fc.assert(
    fc.property(code, fc.infiniteStream(fc.nat(2)), (plain, choices) => {
      const encode = (character: string) => {
        const hex = character.charCodeAt(0).toString(16);
        return [character, `%${hex}`, `%${hex.toUpperCase()}`][choices.next().value ?? 0];
      };
      const encoded = [...plain].map(encode).join('');
      assert.deepEqual(found([raw('/:code')], `/${encoded}`), found([raw('/:code')], `/${plain}`));
    }),
  );
});
