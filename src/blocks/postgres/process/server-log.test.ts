import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLog, type Log, silentLog } from '#base/log';
import { createServerLog, type LogLine, levelOf, parseLogLine } from './server-log.ts';

test('a line has pid, SQLSTATE, severity and text', () => {
  assert.deepEqual(parseLogLine('812 23505 ERROR:  duplicate key value: "a: b"'), {
    pid: 812,
    sqlstate: '23505',
    severity: 'ERROR',
    text: 'duplicate key value: "a: b"',
  });
  assert.deepEqual(parseLogLine('postgres: could not access directory "x"'), {
    pid: undefined,
    sqlstate: undefined,
    severity: '',
    text: 'postgres: could not access directory "x"',
  });
  assert.equal(parseLogLine('FATAL:  data directory "x" has wrong ownership').severity, 'FATAL');
});

test('failures are visible, answers that rooms expect and routine are not', () => {
  const levels: [string, string][] = [
    ['1 XX001 PANIC:  could not locate a valid checkpoint record', 'fatal'],
    ['1 53100 FATAL:  could not write to file', 'error'],
    ['1 57P03 FATAL:  the database system is starting up', 'debug'],
    ['1 57P01 FATAL:  terminating connection due to administrator command', 'debug'],
    ['1 42703 ERROR:  column "x" does not exist', 'error'],
    ['1 23505 ERROR:  duplicate key value violates unique constraint', 'debug'],
    ['1 40P01 ERROR:  deadlock detected', 'debug'],
    ['1 57014 ERROR:  canceling statement due to statement timeout', 'debug'],
    ['1 01000 WARNING:  worker took too long to start', 'warn'],
    ['1 00000 LOG:  checkpoint starting: time', 'debug'],
    ['1 00000 LOG:  server process (PID 7) was terminated by signal 9: Killed', 'warn'],
    ['postgres: could not access directory "x"', 'warn'],
  ];
  for (const [line, level] of levels) assert.equal(levelOf(parseLogLine(line)), level, line);
});

function read(chunks: readonly string[]): {
  logged: Record<string, unknown>[];
  lines: LogLine[];
  tail: string[];
} {
  const logged: Record<string, unknown>[] = [];
  const log: Log = createLog(
    { level: 'debug', service: 'test' },
    { write: (text) => void logged.push(JSON.parse(text)) },
  );
  const lines: LogLine[] = [];
  const serverLog = createServerLog(log, (line) => lines.push(line));
  for (const chunk of chunks) serverLog.write(chunk);
  return { logged, lines, tail: serverLog.tail() };
}

test('a message is one record, with its details and all lines of its statement', () => {
  const { logged } = read([
    '1 42601 ERROR:  syntax error\n1 42601 STATEMENT:  selec\n\tt 1\n\tfrom x\n2 00000 LOG:  fine\n',
    '2 23505 ERROR:  duplicate\n2 23505 DETAIL:  Key exists.\n2 23505 CONTEXT:  a\n\tb\n',
    '3 42601 ERROR:  one\n\ttwo\n4 42601 HINT:  of a message that was not read\n\tmore\n',
    '\tthe rest of one that was cut\n',
  ]);
  assert.deepEqual(
    logged.map(({ level, msg, postgres }) => [level, msg, postgres]),
    [
      [
        'error',
        'syntax error',
        { pid: 1, sqlstate: '42601', severity: 'ERROR', statement: 'selec\nt 1\nfrom x' },
      ],
      ['debug', 'fine', { pid: 2, sqlstate: '00000', severity: 'LOG' }],
      [
        'debug',
        'duplicate',
        { pid: 2, sqlstate: '23505', severity: 'ERROR', detail: 'Key exists.', context: 'a\nb' },
      ],
      ['error', 'one\ntwo', { pid: 3, sqlstate: '42601', severity: 'ERROR' }],
      ['debug', 'of a message that was not read\nmore', { pid: 4, sqlstate: '42601', severity: 'HINT' }],
      ['debug', 'the rest of one that was cut', { severity: '' }],
    ],
  );
});

test('a statement of very many lines is one record, of a bounded length', () => {
  const statement = Array.from({ length: 20_000 }, (_, line) => `\tline ${line}\n`).join('');
  const { logged } = read([`1 42601 ERROR:  no\n1 42601 STATEMENT:  select\n${statement}`]);
  assert.equal(logged.length, 1);
  assert(JSON.stringify(logged).length < 40_000);
});

test('the tail is what failed, or, if nothing did, what was said last', () => {
  assert.deepEqual(read(['1 00000 LOG:  a\n1 00000 LOG:  b\n']).tail, ['LOG: a', 'LOG: b']);
  assert.deepEqual(read(['1 00000 LOG:  a\n1 53100 FATAL:  b\n1 00000 LOG:  c\n']).tail, ['FATAL: b']);
});

test('property: however the stream is cut, the same lines come out', () => {
  const line = fc
    .string({ unit: 'grapheme', minLength: 1 })
    .map((text) => `7 00000 LOG:  ${text.replaceAll(/\s/g, '_')}`);
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(40)), (lines, cuts) => {
      let text = lines.map((l) => `${l}\n`).join('');
      const chunks: string[] = [];
      for (const cut of cuts) {
        chunks.push(text.slice(0, cut));
        text = text.slice(cut);
      }
      assert.deepEqual(
        read([...chunks, text]).lines,
        lines.map((l) => parseLogLine(l)),
      );
    }),
  );
});

test('a line without end is cut short, and the next one is whole', () => {
  const serverLog = createServerLog(silentLog, () => {});
  const texts: string[] = [];
  const bounded = createServerLog(silentLog, ({ text }) => texts.push(text));
  bounded.write('1 42601 ERROR:  ');
  for (let i = 0; i < 1000; i++) bounded.write('x'.repeat(1000));
  bounded.write('\n1 00000 LOG:  next\n');
  assert.equal(texts.length, 2);
  assert((texts[0]?.length ?? 0) <= 4096);
  assert.equal(texts[1], 'next');
  assert.deepEqual(serverLog.tail(), []);
});
