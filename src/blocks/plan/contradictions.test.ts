import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Calibration } from './capacity/capacity.ts';
import { contradictionsOf } from './contradictions.ts';
import { defaultCalibration } from './default-calibration.ts';

const { routes, blocks } = defaultCalibration;
type Route = keyof Calibration['routes'];
const withRoute = (name: Route, own: Partial<Calibration['routes'][Route]>) =>
  contradictionsOf({ routes: { ...routes, [name]: { ...routes[name], ...own } }, blocks });

test('the shipped figures do not contradict each other', () => {
  assert.deepEqual(contradictionsOf(defaultCalibration), []);
});

test('a miss is no faster than a hit, and a write no faster than a read', () => {
  const { kneePerS } = routes.redirectHit;
  assert.deepEqual(withRoute('redirectMiss', { kneePerS: kneePerS * 1.1 }), [], 'measurements scatter');
  assert.match(
    withRoute('redirectMiss', { kneePerS: kneePerS * 2 })[0] ?? '',
    /^the knee of redirectMiss is [\d,]+ a second, and the knee of redirectHit [\d,]+: it cannot be less$/,
  );
  assert.match(withRoute('create', { kneePerS: routes.read.kneePerS * 2 })[0] ?? '', /^the knee of create/);
  assert.match(withRoute('list', { kneePerS: routes.read.kneePerS * 2 })[0] ?? '', /^the knee of list/);
  const alone = withRoute('redirectHit', { serviceMs: routes.redirectMiss.serviceMs * 2 });
  assert.match(alone[0] ?? '', /^one redirectHit alone is [\d.]+ ms, and one redirectMiss alone [\d.]+/);
});

test('more under way do not do less, while they are few', () => {
  const point = (concurrency: number, perS: number) => ({ concurrency, perS });
  const points = [point(1, 323), point(2, 229), point(4, 177)];
  assert.deepEqual(withRoute('create', { points }), [
    'create: 323, 229, 177 a second, with more under way each time',
  ]);
  assert.deepEqual(withRoute('create', { points: [point(1, 323), point(2, 300), point(32, 150)] }), []);
  const inserts = { ...blocks.inserts, points };
  assert.match(contradictionsOf({ routes, blocks: { ...blocks, inserts } })[0] ?? '', /^inserts: 323/);
});
