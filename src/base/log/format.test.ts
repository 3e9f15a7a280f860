import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrettyDestination, formatLine, isForPeople } from './format.ts';

const TIME = '2026-11-28T00:13:09.984Z';

function plain(fields: Record<string, unknown>): string {
  return formatLine(
    `${JSON.stringify({ level: 'info', time: TIME, service: 'loadstone', pid: 1, ...fields })}\n`,
    {
      hasColours: false,
    },
  );
}

test('an event is a line: time, level, message, and the fields that matter', () => {
  assert.equal(
    plain({ standby: 'postgres-standby-1', odd: 'a b', of: { queue: 'x', n: 1 }, none: null, msg: 'made' }),
    '00:13:09.984 INFO  made standby=postgres-standby-1 odd="a b" of.queue=x of.n=1\n',
  );
  assert.equal(plain({ level: 'warn', process: 2, msg: 'x' }), '00:13:09.984 WARN  [2] x\n');
});

test('a request is told as people speak of one, and its trace only where something broke', () => {
  const request = { method: 'GET', route: '/v1/links/{id}', status: 404, latencyMs: 1.234, traceId: 'abc' };
  const refused = plain({ ...request, code: 'link_not_found', workspaceId: '1' });
  assert.equal(refused, '00:13:09.984 INFO  GET /v1/links/{id} 404 link_not_found 1.2 ms\n');
  assert.equal(
    plain({ ...request, status: 500, latencyMs: 61.7 }),
    '00:13:09.984 INFO  GET /v1/links/{id} 500 62 ms traceId=abc\n',
  );
});

test('an error has its message, its code, and of a defect the place; never lines of a stack', () => {
  const stack = 'TypeError: no\n    at f (file:///x.ts:1:2)\n    at g';
  assert.equal(
    plain({ level: 'error', err: { type: 'TypeError', message: 'no', stack }, msg: 'it broke' }),
    '00:13:09.984 ERROR it broke: no (at f (file:///x.ts:1:2))\n',
  );
  const coded = { type: 'LoadstoneError', message: 'gone', code: 'database_unavailable' };
  assert.equal(plain({ level: 'warn', err: coded }), '00:13:09.984 WARN  gone (database_unavailable)\n');
});

test('nothing that somebody has sent is obeyed by a terminal or makes another line', () => {
  const evil = '\u001B]0;owned\u0007\r\n00:00:00 ERROR forged\u2028';
  const text = plain({ level: 'error', key: evil, nested: { evil }, err: { message: evil }, msg: evil });
  assert.match(text, /^[^\p{Cc}\u2028]+\n$/u);
  assert(plain({ msg: 'm'.repeat(10_000), long: 'x'.repeat(10_000) }).length < 9000);
});

test('what is no JSON stays; colours are there when wanted', () => {
  assert.equal(formatLine('as it is\n', { hasColours: true }), 'as it is\n');
  const line = JSON.stringify({ level: 'error', time: TIME, msg: 'x' });
  assert.equal(
    formatLine(line, { hasColours: true }),
    '\u001B[90m00:13:09.984\u001B[39m \u001B[31mERROR\u001B[39m x\n',
  );
});

test('while it is quiet only what is amiss gets through', () => {
  const lines: string[] = [];
  const to = { write: (line: string) => void lines.push(line), flushSync() {} };
  const pretty = createPrettyDestination(to, { hasColours: false });
  const say = (level: string) => pretty.write(`${JSON.stringify({ level, time: TIME, msg: level })}\n`);
  pretty.setQuiet(true);
  for (const level of ['info', 'warn', 'error', 'fatal']) say(level);
  pretty.setQuiet(false);
  say('info');
  assert.deepEqual(
    lines.map((line) => line.trim().split(' ').at(-1)),
    ['warn', 'error', 'fatal', 'info'],
  );
});

test('people read a terminal, programs a pipe, unless told otherwise', () => {
  const both = (format: 'auto' | 'pretty' | 'json') => [true, false].map((tty) => isForPeople(format, tty));
  assert.deepEqual(
    [both('auto'), both('pretty'), both('json')],
    [
      [true, false],
      [true, true],
      [false, false],
    ],
  );
});
