import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../clock.ts';
import { defineErrors } from '../errors.ts';
import { createLog, type LogLevel } from '../log.ts';

const errors = defineErrors('log_test', {
  well_dry: { status: 503, title: 'The well is dry', doc: 'Wait for rain.', retryable: true },
  pot_full: { status: 409, title: 'The pot is full', doc: 'Empty it.' },
});

function opened(level: LogLevel = 'info') {
  const lines: Record<string, unknown>[] = [];
  const clock = createManualClock();
  const log = createLog(
    { level, service: 'test', process: 2 },
    { write: (line) => void lines.push(JSON.parse(line)) },
    clock,
  );
  return { log, clock, lines };
}

test('numbers are rounded to a microsecond, and whole ones stay', () => {
  const { log, lines } = opened();
  log.info({ tookMs: 296.85472200000004, rows: 3, name: 'x' }, 'done');
  assert.deepEqual([lines[0]?.tookMs, lines[0]?.rows, lines[0]?.process], [296.855, 3, 2]);
});

test('what is foreseen has a code and no stack, once; a defect keeps its stack', () => {
  const { log, lines } = opened();
  const cause = Object.assign(new Error('connect ENOENT /run/x'), { syscall: 'connect', code: 'ENOENT' });
  log.error({ err: errors.pot_full({ detail: 'connect ENOENT /run/x', cause }) }, 'one');
  log.error({ err: cause }, 'two');
  log.error({ err: new TypeError('a is not a function') }, 'three');
  assert.deepEqual(lines[0]?.err, {
    type: 'LoadstoneError',
    message: 'connect ENOENT /run/x',
    code: 'pot_full',
  });
  assert.deepEqual(lines[1]?.err, { type: 'Error', message: 'connect ENOENT /run/x', code: 'ENOENT' });
  assert.match(
    String((lines[2]?.err as { stack?: string } | undefined)?.stack),
    /^TypeError: a is not a function\n {4}at /,
  );
});

test('parts that wait for the same thing warn once in ten seconds; what else they say is not lost', () => {
  const { log, clock, lines } = opened();
  const err = errors.well_dry({ detail: 'no rain' });
  const child = log.child({ part: 'relay' });
  log.warn({ err }, 'the pump waits');
  for (let n = 0; n < 5; n++) log.warn({ err }, 'the pump waits');
  child.warn({ err }, 'the relay waits');
  log.warn({ err: errors.pot_full() }, 'that is another matter');
  log.error({ err }, 'and this is worse');
  clock.advance(10_000);
  child.warn({ err }, 'the relay waits');
  assert.deepEqual(
    lines.map(({ level, msg }) => `${level} ${msg}`),
    [
      'warn the pump waits',
      'info the relay waits',
      'warn that is another matter',
      'error and this is worse',
      'warn the relay waits',
    ],
  );
});
