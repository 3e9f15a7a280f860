import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { eventually } from '#base/testing/eventually.fixture';
import { defaultCalibration } from '#blocks/plan';
import { createScene, processesIn } from '../process.fixture.ts';
import { runLanes } from './blocks.ts';
import { parseCoreList, parseCpuMs } from './cores.ts';
import { awake, fitOrNull } from './routes.ts';
import { SECONDS_DEFAULT, SECONDS_MAX, SECONDS_MIN, SECONDS_QUICK, speedOf } from './speed.ts';
import { renderCalibration } from './text.ts';

const EXIT_INTERRUPTED = 130;

describe('the pace', () => {
  test('all searches, points and blocks fit into the time, with some to spare for starts', () => {
    const routes = 5;
    const blocks = 4;
    for (const seconds of [SECONDS_MIN, SECONDS_QUICK, SECONDS_DEFAULT, SECONDS_MAX]) {
      const { pointMs, trialMs, searchMsMax, concurrencies, callers } = speedOf(seconds);
      const routeMs = pointMs * (2 + concurrencies.length) + searchMsMax + 2 * trialMs;
      const blockMs = pointMs * (1 + callers.length);
      assert((routes * routeMs + blocks * blockMs) / 1000 <= seconds * 1.15, `${seconds}`);
    }
  });
});

describe('what /proc says', () => {
  test('lists of cores', () => {
    assert.deepEqual(parseCoreList('0-2,5,7-8'), [0, 1, 2, 5, 7, 8]);
    assert.deepEqual(parseCoreList('3'), [3]);
  });

  test('CPU time, whatever the program is called', () => {
    const stat = '42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 11 0';
    assert.equal(parseCpuMs(stat, false), 2000);
    assert.equal(parseCpuMs(stat, true), 2300);
  });
});

test('a calibration is shown as tables', () => {
  const estimate = (value: number) => ({ value, low: value / 2, high: value * 2 });
  const { routes, blocks } = defaultCalibration;
  const scalability = {
    lambda: estimate(5000),
    sigma: estimate(0.1),
    kappa: estimate(0.001),
    deviation: 0.01,
  };
  const text = renderCalibration({
    ...defaultCalibration,
    routes: { ...routes, redirectHit: { ...routes.redirectHit, limitedBy: 'generator', scalability } },
    blocks,
  });
  const line = text.split('\n').find((each) => each.startsWith('redirectHit')) ?? '';
  assert.match(
    line,
    / [\d,]+\+ .* 5,000 \(2,500–10,000\) +0\.10 \(0\.05–0\.20\) +0\.00100 \(0\.00050–0\.00200\) +30$/,
  );
  assert.match(text, /\n\+: the generator gave way before the server did\.$/);
  assert.match(text, /\ninserts +[\d,]+ /);
});

test('callers at the same time are all counted', async () => {
  let called = 0;
  const call = async () => {
    called += 1;
    await sleep(systemClock, 1);
    return 2;
  };
  const signal = new AbortController().signal;
  const { done, perS } = await runLanes(call, 50, 100, { clock: systemClock, signal });
  assert(called >= 50);
  assert.equal(done, 2 * called);
  assert(perS > 0);
});

describe('the command', () => {
  test('refuses a wrong command line', async (context) => {
    const scene = createScene(context);
    const cases: [string, RegExp][] = [
      ['calibrate --seconds 5', /Allowed is a whole number from 20 to 3600/],
      ['calibrate --quick --seconds 60', /^loadstone: --quick and --seconds: give one of them$/m],
      ['calibrate now', /too many arguments/],
    ];
    await Promise.all(
      cases.map(async ([line, expected]) => {
        const { code, stderr } = await scene.run(line.split(' '));
        assert.equal(code, 2, stderr);
        assert.match(stderr, expected);
      }),
    );
  });

  test('refuses a file that cannot be written before it measures anything', async (context) => {
    const scene = createScene(context);
    const cwd = scene.directory();
    const { code, stderr } = await scene.run(['calibrate', '--out', 'missing/machine.json'], { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /^loadstone: \S+missing\/machine\.json cannot be written \(cause: ENOENT.*\)$/m);
  });

  test('leaves a file that is there as it is, unless it is told to replace it', async (context) => {
    const scene = createScene(context);
    const cwd = scene.directory();
    writeFileSync(join(cwd, 'calibration.json'), 'mine');
    const { code, stderr } = await scene.run(['calibrate'], { cwd });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /calibration\.json is there already, .*: --force replaces it, --out FILE names another$/m,
    );
    assert.equal(readFileSync(join(cwd, 'calibration.json'), 'utf8'), 'mine');
  });

  test('Ctrl-C ends it, and leaves nothing behind', {
    skip: process.platform !== 'linux' && 'needs /proc',
  }, async (context) => {
    const scene = createScene(context);
    const cwd = scene.directory();
    const running = scene.spawn(['calibrate'], { cwd, env: { TMPDIR: cwd } });
    await eventually('its server has started', () => processesIn(cwd).length > 1);
    process.kill(running.pid, 'SIGINT');
    const { code } = await running.exited();
    assert.equal(code, EXIT_INTERRUPTED, running.stderr());
    assert.deepEqual(
      processesIn(cwd).filter((pid) => pid !== running.pid),
      [],
    );
    assert(!existsSync(join(cwd, 'calibration.json')));
  });
});

test('the law is fitted to the points from the one with the most for each: the first finds everybody asleep', () => {
  const point = (concurrency: number, perS: number) => ({ concurrency, perS });
  const points = [point(1, 7000), point(2, 37_000), point(4, 60_000), point(8, 64_000), point(16, 70_000)];
  assert.deepEqual(awake(points), points.slice(1));
  assert.deepEqual(awake(points.slice(1)), points.slice(1));
  assert(fitOrNull([...points, point(32, 72_000)]));
});
