import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createManualClock, type ManualClock } from '#base/clock';
import { makeAttempt } from '../load/attempt.fixture.ts';
import { createLiveView, type LiveOptions, type LiveView, wantsColours } from './live.ts';
import { plotSpark } from './live-spark.ts';
import { createTally } from './live-tally.ts';

const SHOW = '\u001b[?25h';

interface Seen {
  view: LiveView;
  clock: ManualClock;
  written: string[];
  /** What a terminal shows of it. */
  screen(): string[];
}

/** The few sequences that the view uses, obeyed: up, carriage return, newline, erasing. Others fail the test. */
function screenOf(text: string): string[] {
  const lines = [''];
  let [row, column] = [0, 0];
  for (const [token] of text.matchAll(/\u001b\[[?\d;]*[A-Za-z]|[\s\S]/gu)) {
    const sequence = /^\u001b\[([?\d;]*)([A-Za-z])$/.exec(token);
    if (token === '\r') column = 0;
    else if (token === '\n') [row, column] = [row + 1, 0];
    else if (sequence?.[2] === 'A') row -= Number(sequence[1]);
    else if (sequence?.[2] === 'J') lines.splice(row, lines.length, (lines[row] ?? '').slice(0, column));
    else if (sequence?.[2] === 'K') lines[row] = (lines[row] ?? '').slice(0, column);
    else if (sequence)
      assert(/^\u001b\[(\?25[lh]|\d+m)$/.test(token), `an unknown sequence ${JSON.stringify(token)}`);
    else {
      lines[row] =
        (lines[row] ?? '').slice(0, column).padEnd(column) + token + (lines[row] ?? '').slice(column + 1);
      column += 1;
    }
    lines[row] ??= '';
  }
  return lines.filter((line) => line !== '');
}

function watch(own: Partial<LiveOptions> = {}): Seen {
  const clock = createManualClock();
  const written: string[] = [];
  const options = { drill: 'web-killed', isTerminal: true, hasColours: false, columns: () => 80, ...own };
  const view = createLiveView(options, { clock, write: (text) => void written.push(text) });
  return { view, clock, written, screen: () => screenOf(written.join('')) };
}

/** Four seconds of load, the second half of it refused. */
function drillOn({ view, clock }: Seen): void {
  view.phase('under load');
  view.loadBegins(10_000);
  for (let atMs = 0; atMs < 4000; atMs += 10) {
    clock.advance(10);
    const isFailure = atMs >= 2000;
    view.attempt(makeAttempt(isFailure ? { isFailure, outcome: 'refused' } : {}), atMs);
    if (atMs === 2000) view.mark({ atMs, kind: 'fault', text: 'kill -9 of web\u001b[2J-1' });
  }
}

describe('on a terminal', () => {
  test('the phase, the last second, a bar for each slice and the marks are drawn in place', () => {
    const seen = watch();
    seen.view.phase('starting');
    seen.clock.advance(300);
    assert.deepEqual(seen.screen(), ['  0.3 s  web-killed: starting']);
    drillOn(seen);
    assert.deepEqual(seen.screen(), [
      '  4.3 s  web-killed: under load',
      '         sent 100/s  ok 0  refused 100  unknown 0  p99 -',
      '         ████████▁×××××××',
      '  2.0 s  fault kill -9 of web\uFFFD[2J-1',
    ]);
  });

  test('each drawing is one write, which erases nothing before it has something in its place', () => {
    const seen = watch();
    drillOn(seen);
    assert(seen.written.length >= 39 && seen.written.length <= 42, `${seen.written.length} writes`);
    for (const text of seen.written.slice(1)) assert.match(text, /^(\u001b\[\d+A)?\r[^\u001b]/);
  });

  test('no line is longer than the terminal is wide, however that changes', () => {
    let columns = 30;
    const seen = watch({ columns: () => columns, hasColours: true });
    drillOn(seen);
    assert(seen.screen().every((line) => line.length < 30));
    columns = 1;
    seen.clock.advance(100);
    assert(seen.screen().every((line) => line.length < 20));
  });

  test('colours are there only when they are wanted', () => {
    const [plain, coloured] = [watch(), watch({ hasColours: true })];
    for (const seen of [plain, coloured]) drillOn(seen);
    assert.deepEqual(coloured.screen(), plain.screen());
    assert.match(coloured.written.join(''), /\u001b\[33mrefused 100 {2}\u001b\[0m/);
    assert.doesNotMatch(plain.written.join(''), /\u001b\[\d+m/);
    assert.equal(wantsColours({}, true), true);
    assert.equal(wantsColours({ NO_COLOR: '' }, true), true);
    assert.equal(wantsColours({ NO_COLOR: '1' }, true), false);
    assert.equal(wantsColours({ TERM: 'dumb' }, true), false);
    assert.equal(wantsColours({}, false), false);
  });

  test('the end clears what was drawn, shows the cursor, and is final', () => {
    const seen = watch();
    drillOn(seen);
    seen.view.end();
    assert.deepEqual(seen.screen(), []);
    assert(seen.written.at(-1)?.endsWith(SHOW));
    const count = seen.written.length;
    seen.view.end();
    seen.view.phase('checking');
    seen.clock.advance(10_000);
    assert.equal(seen.written.length, count);
  });

  test('a drill that ends before anything was drawn has hidden no cursor', () => {
    const seen = watch();
    seen.view.end();
    assert.deepEqual(seen.written, []);
  });
});

test('elsewhere a plain line tells each phase and mark, and every few seconds how it goes', () => {
  const seen = watch({ isTerminal: false, hasColours: false });
  seen.view.phase('starting');
  drillOn(seen);
  seen.clock.advance(1500);
  seen.view.end();
  assert.deepEqual(seen.written, [
    '  0.0 s  web-killed: starting\n',
    '  0.0 s  web-killed: under load\n',
    '  2.0 s  fault kill -9 of web\uFFFD[2J-1\n',
    '  5.0 s  web-killed: under load  sent 1/s  ok 0  refused 1  unknown 0  p99 -\n',
  ]);
});

describe('the tally', () => {
  test('what was never sent is told apart, and neither answered nor refused', () => {
    const seen = watch();
    seen.view.loadBegins(10_000);
    seen.clock.advance(500);
    seen.view.attempt(makeAttempt({ fate: 'generator_late', sentMs: undefined, outcome: 'refused' }), 400);
    seen.view.attempt(makeAttempt({ fate: 'not_sent', sentMs: undefined, isFailure: true }), 400);
    seen.clock.advance(600);
    assert.match(
      seen.screen().join('\n'),
      /sent 0\/s {2}ok 0 {2}refused 0 {2}unknown 0 {2}not sent 2 {2}p99 -/,
    );
  });

  test('counts by when requests ended, and forgets', () => {
    const tally = createTally();
    for (let at = 0; at < 100; at++) {
      tally.add({ outcome: 'ok', intendedAtMs: at, endedAtMs: 1000 + at });
    }
    tally.add({ outcome: 'unknown', intendedAtMs: 0, endedAtMs: 1100 });
    assert.deepEqual(tally.lastSecond(1900), {
      sent: 101,
      ok: 100,
      refused: 0,
      unknown: 1,
      notSent: 0,
      latencyP99Ms: 1000,
    });
    assert.deepEqual(tally.slices(1300), [
      ...Array.from({ length: 4 }, () => ({ ok: 0, failed: 0 })),
      { ok: 100, failed: 1 },
    ]);
    assert.equal(tally.lastSecond(2300).sent, 0);
    assert.equal(tally.slices(100_000).length, 60);
    assert(tally.slices(100_000).every(({ ok, failed }) => ok + failed === 0));
  });
});

test('a bar says how much, and tells nothing asked from nothing answered', () => {
  assert.equal(plotSpark([]), '');
  assert.equal(
    plotSpark([
      { ok: 8, failed: 0 },
      { ok: 4, failed: 4 },
      { ok: 1, failed: 0 },
      { ok: 0, failed: 3 },
      { ok: 0, failed: 0 },
    ]),
    '█▄▁×·',
  );
});
