/**
 * A disk that fills up for real: a file system in memory with 1 MiB.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sleep, systemClock } from '#base/clock';
import { type MadeJournal, makeJournal, never, readSource, scratchDirectory } from './journal.fixture.ts';
import type { JournalOptions } from './options.ts';
import { bytesOf } from './shipping/records.fixture.ts';

const DISK_BYTES = 1024 * 1024;

function mount(directory: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'none', directory]).status === 0;
}

function unmount(directory: string): void {
  spawnSync('umount', [directory]);
}

function mayMount(): boolean {
  const directory = scratchDirectory();
  const isMounted = mount(directory);
  if (isMounted) unmount(directory);
  return isMounted;
}
const skip = mayMount() ? false : 'we may not mount a small file system here (it takes root)';

async function startedOnSmallDisk(t: TestContext, options: Partial<JournalOptions>): Promise<MadeJournal> {
  const root = scratchDirectory();
  assert(mount(root));
  const made = makeJournal(options, { directory: root });
  t.after(async () => {
    await made.journal.stop(never);
    unmount(root);
  });
  await made.journal.start(never);
  return made;
}

const textOf = (number: number) => `${number}:`.padEnd(1000, '.');

/** Appends until `count` records were kept or refused; numbers go on from `from`. */
async function appendMany({ journal }: MadeJournal, from: number, count: number) {
  const outcomes: { text: string; code: string }[] = [];
  for (let number = from; number < from + count; number++) {
    const text = textOf(number);
    const code = await journal.append(bytesOf(text)).then(
      () => 'kept',
      (error: { code: string }) => error.code,
    );
    outcomes.push({ text, code });
  }
  return outcomes;
}

const keptOf = (outcomes: { text: string; code: string }[]) =>
  outcomes.filter(({ code }) => code === 'kept').map(({ text }) => text);

async function shed({ metrics }: MadeJournal): Promise<number> {
  const found = await metrics.registry.getSingleMetric('loadstone_journal_records_total')?.get();
  return found?.values.find(({ labels }) => labels.result === 'shed')?.value ?? Number.NaN;
}

/** A failed journal tries again a few times a second. */
async function appendUntilKept(made: MadeJournal, from: number) {
  const endMs = systemClock.monotonicMs() + 10_000;
  for (let number = from; ; number++) {
    const [outcome] = await appendMany(made, number, 1);
    if (outcome?.code === 'kept') return { text: outcome.text, next: number + 1 };
    assert(systemClock.monotonicMs() < endMs, 'records are kept again');
    await sleep(systemClock, 20);
  }
}

for (const fsync of [false, true]) {
  test(`reject, fsync ${fsync}: refused with a code while full, kept again when space returns`, {
    skip,
  }, async (t) => {
    const made = await startedOnSmallDisk(t, { fsync });
    const ballast = join(made.root, 'ballast');
    writeFileSync(ballast, Buffer.alloc(DISK_BYTES / 2));
    const outcomes = await appendMany(made, 0, 1000);
    const before = keptOf(outcomes);
    assert(before.length > 300 && before.length < 600, `${before.length}`);
    const codes = new Set(outcomes.map(({ code }) => code));
    assert.deepEqual([...codes], ['kept', 'journal_full']);
    assert.equal(await shed(made), 1000 - before.length);
    assert(!made.journal.offer(bytesOf(textOf(0))));

    rmSync(ballast);
    const again = await appendUntilKept(made, 1000);
    const after = keptOf(await appendMany(made, again.next, 100));
    assert.equal(after.length, 100);
    const [own] = made.journal.sources();
    assert.deepEqual(await readSource(own!), [...before, again.text, ...after]);
  });
}

test('drop_new: nobody is refused, what is lost is counted and told', { skip }, async (t) => {
  const made = await startedOnSmallDisk(t, { whenFull: 'drop_new' });
  const heapBefore = process.memoryUsage().arrayBuffers;
  const outcomes = await appendMany(made, 0, 3000);
  assert(outcomes.every(({ code }) => code === 'kept'));
  const [own] = made.journal.sources();
  const kept = own!.end();
  assert(kept > 900 && kept < 1050, `${kept}`);
  assert.equal(await shed(made), 3000 - kept);
  assert.deepEqual(await readSource(own!), keptOf(outcomes).slice(0, kept));
  const told = made.log.lines('records are not kept');
  assert.match(String(told[0]?.reason), /the disk is full .*ENOSPC/);
  assert(told.length <= 3, 'once per second at most');
  assert(process.memoryUsage().arrayBuffers - heapBefore < 8 * DISK_BYTES, 'nothing is kept in memory');
});

test('a disk that only the journal fills is free again once all is shipped', { skip }, async (t) => {
  const made = await startedOnSmallDisk(t, {});
  const outcomes = await appendMany(made, 0, 1200);
  const [own] = made.journal.sources();
  assert(own!.wantsRoom(), 'one file has filled the disk, and would not be closed before its time');
  await own!.release(own!.end());
  assert(!own!.wantsRoom());
  await appendUntilKept(made, outcomes.length);
  assert.equal(keptOf(await appendMany(made, 2000, 500)).length, 500);
});
