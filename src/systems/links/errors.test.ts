import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linksErrors } from './errors.ts';

test('every refusal is the fault of the request or passes by itself', () => {
  for (const [code, create] of Object.entries(linksErrors)) {
    const error = create();
    assert.equal(error.code, code);
    const passes = error.status === 503 && error.retryable;
    assert((error.status >= 400 && error.status < 500) || passes, `${code} has ${error.status}`);
  }
});
