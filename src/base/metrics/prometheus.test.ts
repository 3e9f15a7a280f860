import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as whole from 'prom-client';
import { Counter, Gauge, Registry } from './prometheus.ts';

test('the parts are those of the package', () => {
  assert.deepEqual([Counter, Gauge, Registry], [whole.Counter, whole.Gauge, whole.Registry]);
});
