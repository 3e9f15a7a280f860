import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { isLoadstoneError } from '#base/errors';
import { CODE_PATTERN, isReserved, parseAlias, RESERVED } from './alias.ts';

function refusal(input: string): string | undefined {
  try {
    parseAlias(input);
  } catch (error) {
    assert(isLoadstoneError(error), `${JSON.stringify(input)} threw ${error}`);
    assert.equal(error.status, 422);
    assert.equal(error.errors?.[0]?.pointer, '/alias');
    return error.code;
  }
  return undefined;
}

suite('aliases', () => {
  test('are kept as they are', () => {
    const fine = ['abc', 'A-b_c', '123', '0--', 'x__', 'Spring-Sale_2026', 'v10', 'docs-2', 'a'.repeat(64)];
    for (const alias of fine) assert.equal(parseAlias(alias), alias);
  });

  test('are refused when they are no code', () => {
    const bad = [
      '',
      'a',
      'ab',
      'a'.repeat(65),
      '-abc',
      '_abc',
      '__proto__',
      'a b',
      'a/b',
      '../x',
      '..',
      'a.b',
      'a%2fb',
    ];
    const more = [
      'äöü',
      'abc\n',
      '\nabc',
      'abc\u0000',
      'ａｂｃ',
      '💌💌💌',
      '\ud800abc',
      'a+b',
      'a?b',
      'a#b',
      'a'.repeat(1e6),
    ];
    for (const alias of [...bad, ...more]) assert.equal(refusal(alias), 'alias_invalid', alias.slice(0, 70));
  });

  test('are refused when reserved, in any case', () => {
    for (const word of [
      'v1',
      'console',
      'docs',
      'health',
      'livez',
      'readyz',
      'metrics',
      'openapi.json',
      '-',
    ]) {
      assert.equal(refusal(word), 'alias_reserved', word);
    }
    const words = fc.mixedCase(fc.constantFrom(...RESERVED));
    fc.assert(fc.property(words, (word) => assert.equal(refusal(word), 'alias_reserved')));
  });

  test('reserved words are in lower case, as they are compared', () => {
    for (const word of RESERVED) assert.equal(word, word.toLowerCase());
  });

  test('any text is an alias as it is, or refused', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[A-Za-z0-9_.-]{0,70}$/),
      fc.mixedCase(fc.constantFrom(...RESERVED)),
    );
    fc.assert(
      fc.property(text, (input) => {
        const ok = CODE_PATTERN.test(input) && !isReserved(input);
        assert.equal(refusal(input) === undefined, ok);
        if (ok) assert.equal(parseAlias(input), input);
      }),
      { numRuns: 2000 },
    );
  });
});
