import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineErrors, describeError, errorCatalogue, isLoadstoneError } from './errors.ts';

const errors = defineErrors('errors_test', {
  teapot_hot: { status: 418, title: 'The teapot is hot', doc: 'Wait.', retryable: true },
});

test('an error carries what its definition and its details say', () => {
  const cause = new Error('steam');
  const error = errors.teapot_hot({ detail: 'too hot', retryAfterS: 3, headers: { allow: 'GET' }, cause });
  assert(error instanceof Error && isLoadstoneError(error));
  assert.deepEqual(
    [error.code, error.status, error.title, error.message, error.retryable, error.retryAfterS, error.cause],
    ['teapot_hot', 418, 'The teapot is hot', 'too hot', true, 3, cause],
  );
  assert.equal(errors.teapot_hot().message, 'The teapot is hot');
  assert.equal(isLoadstoneError(new Error('plain')), false);
});

test('the catalogue knows each code once', () => {
  assert.equal(errorCatalogue().get('teapot_hot')?.room, 'errors_test');
  const again = { teapot_hot: { status: 500, title: 'x', doc: 'x' } };
  assert.throws(() => defineErrors('another_room', again), /defined twice/);
  assert.throws(
    () => defineErrors('errors_test', { BadCode: { status: 500, title: 'x', doc: 'x' } }),
    /snake_case/,
  );
});

test('describeError follows causes, on one line', () => {
  const error = new Error('outer\n  text', { cause: new Error('inner', { cause: 'deepest' }) });
  assert.equal(describeError(error), 'outer text (cause: inner (cause: deepest))');
  assert.equal(describeError('plain'), 'plain');
});

test('a cause whose words are in the message is not repeated', () => {
  const cause = new Error('connect ENOENT /run/x', { cause: 'no such file' });
  assert.equal(describeError(new Error('write EPIPE', { cause: new Error('write EPIPE') })), 'write EPIPE');
  assert.equal(
    describeError(new Error('it failed: connect ENOENT /run/x (cause: no such file)', { cause })),
    'it failed: connect ENOENT /run/x (cause: no such file)',
  );
  assert.equal(
    describeError(new Error('it failed', { cause })),
    'it failed (cause: connect ENOENT /run/x (cause: no such file))',
  );
});
