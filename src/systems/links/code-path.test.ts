import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { codeOf } from './code-path.ts';

test('an encoded letter, digit, - or _ is the same address; nothing else is decoded', () => {
  const cases: [string, string | undefined][] = [
    ['/My-alias', 'My-alias'],
    ['/My%2Dalias', 'My-alias'],
    ['/My%2dalias', 'My-alias'],
    ['/%4D%79%2D%61lias?x=%2F', 'My-alias'],
    ['/a%5fb%31', 'a_b1'],
    ['/%61%62%63/', 'abc'],
    ['/abc/?q', 'abc'],
    ['/abc?q=/', 'abc'],
    ['/a%2Fb', undefined],
    ['/abc%20', undefined],
    ['/abc%2F', undefined],
    ['/abc%00', undefined],
    ['/abc%C3%A9', undefined],
    ['/My%252Dalias', undefined],
    ['/abc%', undefined],
    ['/abc%2', undefined],
    ['/abc%zz', undefined],
    ['/abc%2Edef', undefined],
    ['/%2Dabc', undefined],
    ['/abc//', undefined],
    ['//abc', undefined],
    ['/abc/def', undefined],
    ['/', undefined],
    ['', undefined],
    ['/docs', undefined],
    ['/%64ocs', undefined],
    ['/docs/', undefined],
    ['/v1/', undefined],
  ];
  for (const [target, code] of cases) assert.equal(codeOf(target, 'redirect'), code, target);
});

test('a slash at the end is an address of its own where the option says so', () => {
  assert.equal(codeOf('/abc/', 'not_found'), undefined);
  assert.equal(codeOf('/abc', 'not_found'), 'abc');
  assert.equal(codeOf('/ab%63/?x', 'not_found'), undefined);
});

test('property: however a code is encoded, it is the same', () => {
  const code = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{5,20}$/);
  fc.assert(
    fc.property(code, fc.infiniteStream(fc.nat(2)), (plain, choices) => {
      const encode = (character: string) => {
        const hex = character.charCodeAt(0).toString(16);
        return [character, `%${hex}`, `%${hex.toUpperCase()}`][choices.next().value ?? 0];
      };
      const encoded = [...plain].map(encode).join('');
      assert.equal(codeOf(`/${encoded}`, 'redirect'), codeOf(`/${plain}`, 'redirect'));
    }),
  );
});
