import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calibration } from '../plan.fixture.ts';
import { ratesOf } from './rates.ts';

const { create, read } = calibration.routes;

test('processes add up until the cores are as full as at the knee', () => {
  const { together } = ratesOf(calibration, 'create');
  assert.equal(together(1), create.kneePerS);
  assert.equal(together(2), 2 * create.kneePerS);
  assert.equal(Math.round(together(3)), 2 * create.kneePerS);
});

test('a server of one kind does what its part of the CPU time allows', () => {
  const { api, database } = ratesOf(calibration, 'create');
  const fullness = (create.kneePerS * (700 + 800)) / 1e6;
  assert.equal(Math.round(api), Math.round((fullness * 2e6) / 700));
  assert.equal(Math.round(database), Math.round((fullness * 2e6) / 800));
  assert.equal(ratesOf(calibration, 'redirectHit').database, Number.POSITIVE_INFINITY);
});

test('a read from a cache is a read without its part of Postgres', () => {
  const { together, database } = ratesOf(calibration, 'cachedRead');
  assert.equal(together(1), (read.kneePerS * (120 + 60)) / 120);
  assert.equal(database, Number.POSITIVE_INFINITY);
});

test('without CPU times a server is taken to do what was measured, and no more', () => {
  const blind = { ...create, serverCpuUs: null, postgresCpuUs: null };
  const { together, api, database } = ratesOf(
    { ...calibration, routes: { ...calibration.routes, create: blind } },
    'create',
  );
  assert.deepEqual([together(1), together(8), api, database], Array(4).fill(create.kneePerS));
});
