import assert from 'node:assert/strict';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createManualClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import {
  copyAsKilled,
  type MadeJournal,
  makeJournal,
  never,
  readOrphans,
  readSource,
  scratchDirectory,
} from './journal.fixture.ts';
import type { Journal } from './journal.ts';
import { bytesOf } from './shipping/records.fixture.ts';

lifecycleSuite('journal', async () => makeJournal().journal);
lifecycleSuite('journal with fsync', async () => makeJournal({ fsync: true }).journal);

/** Started, and stopped when the test ends. */
async function started(
  t: { after(run: () => Promise<void>): void },
  ...[options, deps]: Parameters<typeof makeJournal>
): Promise<MadeJournal> {
  const made = makeJournal(options, deps);
  await made.journal.start(never);
  t.after(() => made.journal.stop(never));
  return made;
}

const ownSource = (journal: Journal) => journal.sources().at(-1)!;
const append = (journal: Journal, texts: readonly string[]) =>
  Promise.all(texts.map((text) => journal.append(bytesOf(text))));
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `record ${from + i}`);

async function metric({ metrics }: MadeJournal, name: string): Promise<number> {
  const result = /^(appended|shed)_total$/.exec(name)?.[1];
  const whole = result === undefined ? name : 'records_total';
  const found = await metrics.registry.getSingleMetric(`loadstone_journal_${whole}`)?.get();
  return found?.values.find(({ labels }) => labels.result === result)?.value ?? Number.NaN;
}

test('what is appended in one turn is one write, and all its callers are told at once', async (t) => {
  const ticks: (() => void)[] = [];
  const made = await started(t, {}, { tick: (run) => void ticks.push(run) });
  const { journal } = made;
  const first = append(journal, numbers(100));
  assert(journal.offer(bytesOf('record 100')));
  assert.equal(ticks.length, 1);
  assert.equal(ownSource(journal).end(), 0, 'nothing is acknowledged before it is written');
  ticks.shift()?.();
  await first;
  assert.deepEqual(await readSource(ownSource(journal)), numbers(101));
  assert.equal(await metric(made, 'groups_total'), 1);
  assert.equal(await metric(made, 'appended_total'), 101);
});

test('with fsync a group is what came while the last one was synced', async (t) => {
  const made = await started(t, { fsync: true });
  const callers = numbers(8).map(async (text) => {
    for (let i = 0; i < 20; i++) await made.journal.append(bytesOf(text));
  });
  await Promise.all(callers);
  assert.equal(ownSource(made.journal).end(), 160);
  const groups = await metric(made, 'groups_total');
  assert(groups >= 20 && groups < 160, `${groups} groups`);
});

test('the bytes are copied: the caller may use its buffer again', async (t) => {
  const { journal } = await started(t);
  const buffer = Buffer.from('record 0');
  const written = journal.append(buffer);
  buffer.fill(0);
  await written;
  assert.deepEqual(await readSource(ownSource(journal)), ['record 0']);
});

test('a burst that outgrows the buffer of a group is kept whole', async (t) => {
  for (const fsync of [false, true]) {
    const { journal } = await started(t, { fsync });
    const texts = numbers(40).map((text) => text.padEnd(30_000, '.'));
    await append(journal, texts);
    assert.deepEqual(await readSource(ownSource(journal)), texts);
  }
});

test('files are named by journal and first sequence, and end by size and by age', async (t) => {
  const clock = createManualClock();
  const { journal, root } = await started(t, { bytesMax: 4000, fileAgeMsMax: 5000 }, { clock });
  const { journalId } = ownSource(journal);
  const list = () => readdirSync(join(root, journalId)).filter((file) => file.endsWith('.journal'));
  const name = (first: number) => `${journalId}.${String(first).padStart(16, '0')}.journal`;
  const large = 'x'.repeat(600);
  for (let i = 0; i < 3; i++) await append(journal, [large]);
  assert.deepEqual(list(), [name(0), name(2)]);
  clock.advance(5000);
  await append(journal, ['after its age']);
  assert.deepEqual(list(), [name(0), name(2), name(3)]);
  assert.equal((await readSource(ownSource(journal))).length, 4);
});

test('records that are too large, and those before start and after stop, are refused with a code', async () => {
  const made = makeJournal({ recordBytesMax: 100 });
  const { journal } = made;
  const [good, large] = [Buffer.alloc(100), Buffer.alloc(101)];
  await assert.rejects(journal.append(good), { code: 'stopped' });
  assert(!journal.offer(good));
  await journal.start(never);
  await journal.append(good);
  await assert.rejects(journal.append(large), { code: 'journal_record_too_large', status: 413 });
  assert(!journal.offer(large));
  assert(journal.offer(Buffer.alloc(0)), 'an empty record is a record');
  const last = journal.append(good);
  await journal.stop(never);
  await last;
  await assert.rejects(journal.append(good), { code: 'stopped' });
  assert.deepEqual(
    (await readOrphans(made.root)).map((found) => found.length),
    [3],
  );
  assert.equal(await metric(made, 'shed_total'), 2);
});

test('bytesMax sheds by policy; released files make room again', async (t) => {
  const record = Buffer.alloc(1000);
  const rejecting = await started(t, { bytesMax: 100_000 });
  const dropping = await started(t, { bytesMax: 100_000, whenFull: 'drop_new' });
  for (const made of [rejecting, dropping]) {
    const { journal } = made;
    const outcomes = [];
    for (let i = 0; i < 200; i++) outcomes.push(await journal.append(record).catch((error) => error.code));
    const kept = ownSource(journal).end();
    assert(kept > 90 && kept < 100, `${kept}`);
    const refused = outcomes.filter((outcome) => outcome === 'journal_full').length;
    assert.equal(refused, made === rejecting ? 200 - kept : 0);
    assert(!journal.offer(record));
    assert.equal(await metric(made, 'shed_total'), 201 - kept);
    assert.deepEqual(journal.health(), { status: 'ok' });
    assert((await metric(made, 'bytes')) <= 100_000);

    await ownSource(journal).release(kept);
    for (let i = 0; i < 50; i++) await journal.append(record);
    assert.equal(ownSource(journal).end(), kept + 50);
  }
});

test('shedding is told once per second at most, with how much it was', async (t) => {
  const clock = createManualClock();
  const { journal, log } = await started(t, { bytesMax: 4000, whenFull: 'drop_new' }, { clock });
  const record = Buffer.alloc(900);
  for (let i = 0; i < 4; i++) await journal.append(record);
  for (let i = 0; i < 500; i++) await journal.append(record);
  const told = () => log.lines('records are not kept').map(({ records }) => records);
  assert.deepEqual(told(), [1]);
  clock.advance(1000);
  assert.deepEqual(told(), [1, 499]);
  assert.match(String(log.lines('records are not kept')[0]?.reason), /4000 bytes of records wait/);
  await ownSource(journal).release(4);
  await journal.append(record);
  clock.advance(1000);
  assert.equal(log.lines('records are kept again').length, 1);
  clock.advance(10_000);
  assert.deepEqual(told(), [1, 499]);
});

test('a start takes over what ended processes have left, oldest first, and a live one keeps its own', async (t) => {
  const root = scratchDirectory();
  // It would take over those of the others itself, if it looked in between.
  const live = await started(t, { adoptEveryMs: 60_000 }, { directory: root });
  await append(live.journal, ['live']);
  for (const text of ['first', 'second']) {
    const { journal } = makeJournal({ adoptEveryMs: 60_000 }, { directory: root });
    await journal.start(never);
    assert.equal(journal.sources().filter(({ isOwn }) => isOwn).length, 1);
    await append(journal, [text]);
    await journal.stop(never);
  }
  const { journal } = await started(t, { adoptEveryMs: 60_000 }, { directory: root });
  const found = await Promise.all(journal.sources().map((source) => readSource(source)));
  assert.deepEqual(found, [['first'], ['second'], []]);
});

test('a journal that kept nothing leaves nothing', async () => {
  const { journal, root } = makeJournal();
  await journal.start(never);
  assert.equal(readdirSync(root).length, 1);
  await journal.stop(never);
  assert.deepEqual(readdirSync(root), []);
});

test('a torn tail is cut at the start, with a line that says how much', async (t) => {
  const { journal, root } = await started(t);
  await append(journal, numbers(5));
  const killed = copyAsKilled(root);
  const path = ownSource(journal).files()[0]!.path.replace(root, killed);
  const whole = readFileSync(path).length;
  writeFileSync(path, Buffer.from('not a frame, though longer than the head of one'), { flag: 'a' });
  const next = await started(t, {}, { directory: killed });
  assert.equal(readFileSync(path).length, whole);
  const [line, ...others] = next.log.lines('the torn tail of a journal was cut off');
  assert.deepEqual([line?.cutBytes, line?.records, others.length], [47, 5, 0]);
  assert.deepEqual(await readSource(next.journal.sources()[0]!), numbers(5));
});

test('damage within is passed over to the next file, and told', async (t) => {
  const made = await started(t, { bytesMax: 800 });
  for (const text of numbers(16)) await append(made.journal, [text]);
  const source = ownSource(made.journal);
  const [first, second] = source.files();
  assert(first && second && source.files().length >= 3);
  const bytes = readFileSync(first.path);
  const inThird = bytes.lastIndexOf('record 3');
  bytes[inThird] = 0;
  writeFileSync(first.path, bytes);
  truncateSync(second.path, 5);
  const expected = [...numbers(3), ...numbers(16 - second.end, second.end)];
  assert.deepEqual(await readSource(source, { log: made.log.log }), expected);
  const told = made.log.lines('records of a journal are damaged and lost').map(({ records }) => records);
  assert.deepEqual(told, [first.end - 3, second.end - second.first]);

  const adopted = await started(t, {}, { directory: copyAsKilled(made.root) });
  assert.deepEqual(await readSource(adopted.journal.sources()[0]!), expected);
});

test('a directory that cannot be used stops the start with a code', async () => {
  const file = join(scratchDirectory(), 'file');
  writeFileSync(file, '');
  const { journal } = makeJournal({}, { directory: join(file, 'journal') });
  await assert.rejects(journal.start(never), { code: 'journal_unusable' });
  await turn();
});
