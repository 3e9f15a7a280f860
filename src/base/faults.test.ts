import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { createManualClock } from './clock.ts';
import { type ArmedFaults, armFaults, defineFaults, type FaultFile, faultCatalogue } from './faults.ts';
import { silentLog } from './log.ts';

const points = defineFaults('base', {
  first_passed: 'a test has come to its first point',
  second_passed: 'a test has come to its second point',
});

suite('faults', () => {
  let directory: string;
  let file: string;
  let armed: ArmedFaults | undefined;
  let crashes = 0;
  const clock = createManualClock();

  function write(contents: FaultFile | string): void {
    const text = typeof contents === 'string' ? contents : JSON.stringify(contents);
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }

  function arm(contents: FaultFile): ArmedFaults {
    write(contents);
    const crash = () => {
      crashes += 1;
    };
    armed = armFaults(file, { clock, log: silentLog, crash });
    return armed;
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'loadstone-faults-'));
    file = join(directory, 'faults.json');
    crashes = 0;
  });

  afterEach(() => {
    armed?.disarm();
    armed = undefined;
    rmSync(directory, { recursive: true });
  });

  test('are in the catalogue, with their meaning, and nothing else where no file is named', () => {
    assert.equal(faultCatalogue().get('base.first_passed'), 'a test has come to its first point');
    assert.equal(points.first_passed(), undefined);
  });

  test('are declared once', () => {
    assert.throws(() => defineFaults('base', { first_passed: 'again' }), /defined twice/);
  });

  test('act after so many hits, so many times, and only where they are armed', async () => {
    arm({ points: { 'base.first_passed': { action: 'error', afterHits: 1, times: 2 } } });
    await points.first_passed();
    await assert.rejects(async () => points.first_passed(), { code: 'fault_injected', status: 503 });
    await assert.rejects(async () => points.first_passed(), { code: 'fault_injected' });
    await points.first_passed();
    await points.second_passed();
  });

  test('a crash is left to the process', async () => {
    arm({ points: { 'base.first_passed': { action: 'crash', times: 1 } } });
    void points.first_passed();
    assert.equal(crashes, 1);
  });

  test('a delay lasts as long as it says', async () => {
    arm({ points: { 'base.first_passed': { action: 'delay', delayMs: 70 } } });
    let isOver = false;
    const passing = Promise.resolve(points.first_passed()).then(() => {
      isOver = true;
    });
    clock.advance(69);
    await Promise.resolve();
    assert(!isOver);
    clock.advance(1);
    await passing;
  });

  test('what hangs goes on when the file no longer says so; the file is read again as it changes', async () => {
    arm({ points: { 'base.first_passed': { action: 'hang' } } });
    const passing = points.first_passed();
    write({ points: { 'base.second_passed': { action: 'error' } } });
    clock.advance(50);
    await passing;
    await points.first_passed();
    await assert.rejects(async () => points.second_passed(), { code: 'fault_injected' });
  });

  test('a point that stays armed in the same way keeps its hits', async () => {
    const once = { action: 'error', times: 1 } as const;
    arm({ points: { 'base.first_passed': once } });
    await assert.rejects(async () => points.first_passed(), { code: 'fault_injected' });
    write({ points: { 'base.first_passed': once }, clockStepMs: 5 });
    clock.advance(50);
    await points.first_passed();
  });

  test('what names a process is for that one alone', async () => {
    arm({
      points: {
        'base.first_passed': { action: 'error', pid: process.pid },
        'base.second_passed': { action: 'error', pid: process.ppid },
      },
    });
    await assert.rejects(async () => points.first_passed(), { code: 'fault_injected' });
    await points.second_passed();
    write({ points: { 'base.second_passed': { action: 'error', pid: process.pid } } });
    clock.advance(50);
    await points.first_passed();
    await assert.rejects(async () => points.second_passed(), { code: 'fault_injected' });
  });

  test('step the wall clock, and no other', () => {
    const before = clock.monotonicMs();
    const stepped = arm({ clockStepMs: -3_600_000 }).clock;
    assert.equal(stepped.nowMs(), clock.nowMs() - 3_600_000);
    assert.equal(stepped.monotonicMs(), before);
    write({ clockStepMs: 60_000 });
    clock.advance(50);
    assert.equal(stepped.nowMs(), clock.nowMs() + 60_000);
  });

  test('a file that makes no sense stops the start, and changes nothing later', async () => {
    write({ points: { 'base.third_passed': { action: 'error' } } });
    const deps = { clock, log: silentLog, crash() {} };
    assert.throws(
      () => armFaults(file, deps),
      /points\.base\.third_passed: no such fault point; known is .*\bbase\./,
    );
    write('{"points": {"base.first_passed": {"action": "explode"}}}');
    assert.throws(() => armFaults(file, deps), /points/);
    arm({ points: { 'base.first_passed': { action: 'error' } } });
    write('{"points": ');
    clock.advance(50);
    await assert.rejects(async () => points.first_passed(), { code: 'fault_injected' });
  });
});
