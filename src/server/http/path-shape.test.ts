import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shapeOf } from './path-shape.ts';

test('the shape of a path tells how deep it is, and nothing that somebody has sent', () => {
  const shapes = [
    '/',
    '/v1/links/secret?token=t',
    '/wp-admin/x#y',
    '/docs/',
    `/v1${'/a'.repeat(9)}`,
    '*',
    '',
  ];
  assert.deepEqual(shapes.map(shapeOf), [
    '/',
    '/v1/{}/{}',
    '/{}/{}',
    '/docs/',
    '/v1/{}/{}/{}/{}/{}/…',
    '/',
    '/',
  ]);
});
