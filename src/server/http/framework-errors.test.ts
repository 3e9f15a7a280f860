import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorCodes } from 'fastify';
import { TRANSLATED, translateFrameworkError, UNREACHABLE } from './framework-errors.ts';
import { toLoadstoneError } from './problem.ts';

test('every error code of fastify is translated, or said to be unreachable, and never both', () => {
  const codes = Object.keys(errorCodes);
  assert(codes.length > 80, `${codes.length} codes`);
  for (const code of codes) {
    const reasons = UNREACHABLE.filter((group) => group.codes.test(code)).length;
    const isTranslated = Object.hasOwn(TRANSLATED, code);
    assert.equal(
      reasons + Number(isTranslated),
      1,
      `${code} is in ${reasons} lists, translated: ${isTranslated}`,
    );
  }
  for (const code of Object.keys(TRANSLATED)) assert(codes.includes(code), `fastify has no ${code} any more`);
});

test('a code that is not translated is a defect, and tells nothing of its inside', () => {
  for (const [code, Make] of Object.entries(errorCodes)) {
    const coded = toLoadstoneError(translateFrameworkError(new (Make as new () => Error)()));
    if (Object.hasOwn(TRANSLATED, code)) assert(coded.status < 500, code);
    else assert.equal(coded.code, 'internal', code);
  }
});
