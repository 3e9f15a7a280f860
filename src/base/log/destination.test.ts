import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createManualClock, sleep, systemClock } from '../clock.ts';
import { eventually } from '../testing/eventually.fixture.ts';
import { createLogDestination } from './destination.ts';

const directory = mkdtempSync(join(tmpdir(), 'loadstone-log-'));
after(() => rmSync(directory, { recursive: true }));

function openFile(t: { after(undo: () => void): void }, name: string) {
  const file = join(directory, name);
  const fd = openSync(file, 'a');
  t.after(() => closeSync(fd));
  return { fd, text: () => readFileSync(file, 'utf8') };
}

test('lines wait for 200 ms, or until there are 32 KiB of them', async (t) => {
  const clock = createManualClock();
  const { fd, text } = openFile(t, 'batches');
  const destination = createLogDestination(fd, clock);
  destination.write('one\n');
  clock.advance(199);
  destination.write('two\n');
  assert.equal(text(), '');
  clock.advance(1);
  await eventually('it is written', () => text() === 'one\ntwo\n');
  const long = `${'x'.repeat(33_000)}\n`;
  destination.write(long);
  await eventually('it is written', () => text() === `one\ntwo\n${long}`);
});

test('every line arrives whole and in order', async (t) => {
  const { fd, text } = openFile(t, 'order');
  const destination = createLogDestination(fd, systemClock);
  let expected = '';
  for (let i = 0; i < 20_000; i++) {
    const line = `${i} ${'é'.repeat(i % 50)}\n`;
    destination.write(line);
    expected += line;
    if (i % 5000 === 0) await sleep(systemClock, 1);
  }
  await eventually('it is written', () => text().length === expected.length);
  assert.equal(text(), expected);
});

test('flushSync writes what is waiting', (t) => {
  const { fd, text } = openFile(t, 'flush');
  const destination = createLogDestination(fd, createManualClock());
  destination.write('one\n');
  destination.flushSync();
  destination.flushSync();
  assert.equal(text(), 'one\n');
});

test('past its bound the backlog drops lines, and says how many', async (t) => {
  const { fd, text } = openFile(t, 'bound');
  const destination = createLogDestination(fd, createManualClock());
  const line = `${'x'.repeat(99_999)}\n`;
  // The first one is on its way at once; 41 more fit.
  for (let i = 0; i < 50; i++) destination.write(line);
  await eventually('it is written', () => text().includes('dropped'));
  assert.equal(text(), `${line.repeat(42)}{"level":"warn","dropped":8,"msg":"log lines dropped"}\n`);
});

test('a full disk and a closed descriptor are no reason to stop, nor to wait', {
  skip: !existsSync('/dev/full') && 'there is no /dev/full',
}, async () => {
  const full = openSync('/dev/full', 'a');
  const clock = createManualClock();
  const destination = createLogDestination(full, clock);
  destination.write('lost\n');
  clock.advance(200);
  destination.write('lost, too\n');
  destination.flushSync();
  closeSync(full);
  destination.write('closed\n');
  destination.flushSync();
});
