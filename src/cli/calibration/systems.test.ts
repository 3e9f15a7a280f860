/**
 * What is measured of which system, and where its figures go.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { contradictionsOf, defaultCalibration, parseCalibration, ROUTE_NAMES } from '#blocks/plan';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { type Found, loadCalibrated, measuresOf, sortRoutes } from './systems.ts';
import { renderCalibration } from './text.ts';

const NOTES = join(import.meta.dirname, '..', '..', '..', 'examples', 'notes');
const BOTH = [...SYSTEMS_DEFAULT, NOTES].join(',');

async function measureBoth(): Promise<Found[]> {
  const measures = measuresOf(await loadCalibrated(BOTH));
  return measures.map((each) => ({ ...each, capacity: defaultCalibration.routes.create }));
}

test('an outside system is measured beside those that come with Loadstone', async () => {
  const names = measuresOf(await loadCalibrated(BOTH)).map(({ name }) => name);
  assert.deepEqual(names.toSorted(), [...ROUTE_NAMES, 'notes.add', 'notes.read'].toSorted());
  assert.deepEqual(names.slice(-2), ['create', 'notes.add'], 'what writes comes last');
});

test('its figures stand beside those of all, in the file and for people', async () => {
  const { systems: _, ...plain } = defaultCalibration;
  const calibration = { ...plain, ...sortRoutes(await measureBoth()) };
  assert.deepEqual(Object.keys(calibration.routes).toSorted(), [...ROUTE_NAMES].toSorted());
  assert.deepEqual(Object.keys(calibration.systems?.notes ?? {}).toSorted(), ['add', 'read']);
  assert.deepEqual(parseCalibration(JSON.stringify(calibration), 'both.json'), calibration);
  assert.match(renderCalibration(calibration), /\nnotes\.add +[\d,]+/);
  const points = [1, 2, 4].map((concurrency) => ({ concurrency, perS: 1000 / concurrency ** 2 }));
  const falling = { ...calibration, systems: { notes: { add: { ...calibration.routes.create, points } } } };
  assert(contradictionsOf(falling).some((line) => line.startsWith('notes.add: ')));
});

test('a kind of request that plans need, and no system stands for, is refused before anything is measured', async () => {
  await assert.rejects(
    loadCalibrated(NOTES),
    /a plan needs redirectHit, .*none of the systems stands for them/,
  );
});
