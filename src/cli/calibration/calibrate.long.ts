/**
 * A whole calibration, the short one: what it writes is a calibration, and nothing else is left.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCalibration } from '#blocks/plan';
import { createScene, processesIn, ROOT } from '../process.fixture.ts';

const BOUND_MS = 240_000;
const NOTES = join(ROOT, 'examples', 'notes');

test('calibrate --quick writes what it has measured, and leaves nothing else', async (context) => {
  const scene = createScene(context);
  const cwd = scene.directory();
  const { code, stdout, stderr } = await scene.run(['calibrate', '--quick', '--systems', `links,${NOTES}`], {
    cwd,
    env: { TMPDIR: cwd },
    boundMs: BOUND_MS,
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\nROUTE +KNEE\/S .*\nredirectHit +[\d,]+/);
  const calibration = parseCalibration(readFileSync(join(cwd, 'calibration.json'), 'utf8'), 'calibration');
  assert.equal(calibration.source, 'measured');
  assert((calibration.systems?.notes?.add?.kneePerS ?? 0) > 0);
  assert((calibration.systems?.notes?.read?.kneePerS ?? 0) > 0);
  for (const [name, { kneePerS, points, serverCpuUs }] of Object.entries(calibration.routes)) {
    assert(kneePerS > 0 && (serverCpuUs ?? 0) > 0 && points.length >= 4, name);
  }
  for (const [name, { perS, points }] of Object.entries(calibration.blocks)) {
    assert(perS > 0 && points.length >= 4, name);
  }
  assert.deepEqual(readdirSync(cwd), ['calibration.json']);
  assert.deepEqual(processesIn(cwd), []);
});
