/**
 * Random histories of group commit on a disk that fails: what was acknowledged is there, in order, at every moment; what
 * was refused is not.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { createManualClock } from '#base/clock';
import { silentLog } from '#base/log';
import { copyAsKilled, readOrphans, readSource, scratchDirectory, testOptions } from '../journal.fixture.ts';
import { createShedding } from '../shedding.ts';
import { bytesOf } from '../shipping/records.fixture.ts';
import type { JournalSource } from '../shipping/source.ts';
import { createOwnFiles, type OwnFile, type OwnFiles } from './files.ts';
import { seedOf } from './frames.ts';
import { createGroupCommit } from './group-commit.ts';

const JOURNAL_ID = 'clicks-0198f2c4a1b29f3a2c7d';

type Fault = 'write_nothing' | 'write_half' | 'sync';
type Step =
  | { do: 'append'; sizes: number[] }
  | { do: 'tick' }
  | { do: 'wait' }
  | { do: 'fault'; fault: Fault }
  | { do: 'advance'; ms: number }
  | { do: 'kill' };

const size = fc.oneof(
  { weight: 30, arbitrary: fc.integer({ min: 8, max: 60 }) },
  { weight: 1, arbitrary: fc.integer({ min: 50_000, max: 65_000 }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('append'),
      sizes: fc.array(size, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ do: 'tick' }) },
  { weight: 2, arbitrary: fc.constant({ do: 'wait' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fault'),
      fault: fc.constantFrom('write_nothing', 'write_half', 'sync'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.constantFrom(250, 250, 250, 70_000) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'kill' }) },
) as fc.Arbitrary<Step>;

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

interface Disk {
  faults: Fault[];
  mistakes: string[];
  syncs: number;
}

/** The real files, with a disk that fails when told to. */
function onFailingDisk(files: OwnFiles, disk: Disk): OwnFiles {
  const { faults, mistakes } = disk;
  const untrusted = new Set<OwnFile>();
  return {
    ...files,
    write(buffer, length, sequence) {
      const at = faults.findIndex((fault) => fault !== 'sync');
      if (at === -1) {
        const file = files.write(buffer, length, sequence);
        if (untrusted.has(file)) mistakes.push('a file whose sync has failed is written again');
        return file;
      }
      const [fault] = faults.splice(at, 1);
      if (fault === 'write_half') files.write(buffer, Math.floor(length / 2), sequence);
      throw failure('ENOSPC');
    },
    async sync(file) {
      await files.sync(file);
      disk.syncs += 1;
      const at = faults.indexOf('sync');
      if (at === -1) return;
      faults.splice(at, 1);
      untrusted.add(file);
      throw failure('EIO');
    },
  };
}

function makeWorld(fsync: boolean) {
  const root = scratchDirectory();
  const directory = join(root, JOURNAL_ID);
  mkdirSync(directory);
  const clock = createManualClock();
  const disk: Disk = { faults: [], mistakes: [], syncs: 0 };
  const files = createOwnFiles(
    { directory, journalId: JOURNAL_ID, fileBytesMax: 1500, fileAgeMsMax: 60_000 },
    { clock },
  );
  const ticks: (() => void)[] = [];
  const shedding = createShedding('clicks', { clock, log: silentLog });
  const commit = createGroupCommit(
    { ...testOptions, fsync },
    {
      clock,
      tick: (run) => void ticks.push(run),
      files: onFailingDisk(files, disk),
      shedding,
      seed: seedOf(JOURNAL_ID),
      otherBytes: () => 0,
      onChange: () => {},
    },
  );
  const source = { journalId: JOURNAL_ID, files: files.list, end: commit.end } as JournalSource;
  return { root, clock, disk, files, ticks, shedding, commit, source };
}

type World = ReturnType<typeof makeWorld>;

async function play(world: World, steps: readonly Step[]) {
  const { clock, disk, ticks, commit, root } = world;
  const appended: { text: string; outcome: Promise<'kept' | 'refused'> }[] = [];
  const kept: string[] = [];
  let refused = 0;

  function append(length: number): void {
    const text = `${appended.length}:`.padEnd(length, '.');
    const outcome = commit.append(bytesOf(text)).then(
      () => {
        kept.push(text);
        return 'kept' as const;
      },
      (error: { code: string; status: number }) => {
        assert.match(error.code, /^journal_(full|failed)$/);
        refused += 1;
        return 'refused' as const;
      },
    );
    appended.push({ text, outcome });
  }

  /** For the sync that is going on, if there is one. */
  async function waitForSync(): Promise<void> {
    const { syncs } = disk;
    const isSyncing = () => world.files.list().some((file) => (file as OwnFile).isSyncing);
    while (disk.syncs === syncs && isSyncing()) await turn();
    await turn();
  }

  async function checkKilled(): Promise<void> {
    await turn();
    const acknowledged = [...kept];
    const [found = []] = await readOrphans(copyAsKilled(root));
    assert.deepEqual(found.slice(0, acknowledged.length), acknowledged);
  }

  for (const each of steps) {
    if (each.do === 'append') each.sizes.forEach(append);
    if (each.do === 'tick') for (const run of ticks.splice(0)) run();
    if (each.do === 'wait') await waitForSync();
    if (each.do === 'fault') disk.faults.push(each.fault);
    if (each.do === 'advance') clock.advance(each.ms);
    if (each.do === 'kill') await checkKilled();
  }
  await commit.close();
  const outcomes = await Promise.all(appended.map(({ outcome }) => outcome));
  const expected = appended.filter((_, i) => outcomes[i] === 'kept').map(({ text }) => text);
  return { expected, kept, refused };
}

export const diskHistories: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 10, maxLength: 60 });

/** Plays a history, and compares what there is with what its callers were told. */
export async function checkDiskHistory(fsync: boolean, steps: readonly Step[]): Promise<void> {
  const world = makeWorld(fsync);
  const { expected, kept, refused } = await play(world, steps);
  assert.deepEqual(kept, expected, 'acknowledged in the order of the calls');
  assert.deepEqual(await readSource(world.source), expected, 'what the journal gives');
  const [found = []] = await readOrphans(copyAsKilled(world.root));
  assert.deepEqual(found, expected, 'what a later process finds');
  assert.equal(world.shedding.count(), refused);
  const sizes = world.files.list().reduce((sum, file) => sum + file.bytes, 0);
  assert.equal(world.files.bytes(), sizes, 'bytes on disk');
  assert.deepEqual(world.disk.mistakes, []);
  world.shedding.close();
}
