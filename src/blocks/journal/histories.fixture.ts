/**
 * Random histories of a journal and its shipping, with processes that are killed at any byte and at any step of a
 * transaction: every acknowledged record becomes one row, in order; of what was under way when a process was killed,
 * the whole records in front may.
 */
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { silentLog } from '#base/log';
import type { Database } from '#blocks/database';
import { fileNameOf } from './files/file-names.ts';
import { FILE_MARK, FRAME_BYTES, putFrame, seedOf } from './files/frames.ts';
import { copyAsKilled, makeJournal, never } from './journal.fixture.ts';
import type { Journal } from './journal.ts';
import { appliedTo, applyTo, bytesOf, knownJournals, placement } from './shipping/records.fixture.ts';
import { createShipment, type Shipment } from './shipping/shipment.ts';

/** Where a transaction is broken off: nothing of it is kept, or all of it though nobody is told. */
type Break = 'before_commit' | 'after_commit';

interface Torn {
  /** Sizes of the records under way. */
  sizes: number[];
  /** How much of their bytes has reached the file, as a fraction. */
  written: number;
  /** Whether the last byte that has is wrong. */
  isDamaged: boolean;
}

type Step =
  | { do: 'append'; sizes: number[] }
  | { do: 'ship'; recordsMax: number; broken?: Break }
  | { do: 'restart' }
  | { do: 'kill'; torn: Torn };

const sizes = fc.array(fc.integer({ min: 6, max: 400 }), { minLength: 1, maxLength: 12 });
const torn = fc.record({
  sizes,
  written: fc.double({ min: 0, max: 1, noNaN: true }),
  isDamaged: fc.boolean(),
});
const recordsMax = fc.integer({ min: 1, max: 20 });

export const histories: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), sizes }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('ship' as const), recordsMax }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('ship' as const),
        recordsMax,
        broken: fc.constantFrom<Break>('before_commit', 'after_commit'),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('kill' as const), torn }) },
  ),
  { minLength: 1, maxLength: 25 },
);

/** The real database, which breaks off the next transaction when told to. */
function breakable(database: Database, next: { broken?: Break | undefined }): Database {
  return {
    ...database,
    async transact(where, options, work) {
      const { broken } = next;
      next.broken = undefined;
      const result = await database.transact(where, options, async (tx) => {
        const done = await work(tx);
        if (broken === 'before_commit') throw new Error('broken off before the commit');
        return done;
      });
      if (broken === 'after_commit') throw new Error('broken off after the commit');
      return result;
    },
  };
}

/** Adds to the last file of a killed process what it was writing. @returns how many whole records that is */
function leaveTorn(
  journal: Journal,
  from: string,
  to: string,
  { written, isDamaged, ...torn }: Torn,
  texts: string[],
): number {
  const source = journal.sources().at(-1)!;
  const { journalId } = source;
  const buffer = Buffer.alloc(torn.sizes.reduce((sum, size) => sum + FRAME_BYTES + size, 0));
  const ends: number[] = [];
  texts.forEach((text, i) => {
    const record = { sequence: source.end() + i, atMs: 0, bytes: bytesOf(text) };
    ends.push(putFrame(buffer, ends.at(-1) ?? 0, record, seedOf(journalId)));
  });
  const bytes = buffer.subarray(0, Math.round(written * buffer.length));
  const isHit = isDamaged && bytes.length > 0;
  if (isHit) bytes[bytes.length - 1] = bytes.at(-1)! ^ 1;
  const file = source.files().at(-1)?.path.replace(from, to);
  if (file) appendFileSync(file, bytes);
  else
    writeFileSync(
      join(to, journalId, fileNameOf(journalId, source.end())),
      Buffer.concat([FILE_MARK, bytes]),
    );
  return ends.filter((end) => end <= bytes.length - (isHit ? 1 : 0)).length;
}

function createWorld(database: Database, run: string) {
  const next: { broken?: Break | undefined } = {};
  const shipmentDeps = {
    log: silentLog,
    database: breakable(database, next),
    placement,
    apply: applyTo(run),
  };
  const expected: string[] = [];
  let made = makeJournal({ bytesMax: 8000 });
  let shipments = new Map<string, Shipment>();
  let count = 0;

  const makeTexts = (lengths: readonly number[]) =>
    lengths.map((length) => `${count++}:`.padEnd(length, '.'));

  async function end(): Promise<void> {
    for (const shipment of shipments.values()) await shipment.close();
    shipments = new Map();
    await made.journal.stop(never);
  }

  async function begin(root: string): Promise<void> {
    made = makeJournal({ bytesMax: 8000 }, { directory: root });
    await made.journal.start(never);
  }

  async function shipOne(recordsMax: number): Promise<void> {
    const source = made.journal.sources()[0]!;
    const shipment = shipments.get(source.journalId) ?? createShipment(source, shipmentDeps);
    shipments.set(source.journalId, shipment);
    await shipment.ship(recordsMax, never);
    if (shipment.isDone()) made.journal.forget(source);
  }

  return {
    expected,
    start: () => made.journal.start(never),
    async append(lengths: readonly number[]): Promise<void> {
      const texts = makeTexts(lengths);
      const outcomes = await Promise.allSettled(texts.map((text) => made.journal.append(bytesOf(text))));
      // Past bytesMax the rest of a group is refused.
      expected.push(...texts.filter((_, i) => outcomes[i]?.status === 'fulfilled'));
    },
    async ship(recordsMax: number, broken?: Break): Promise<void> {
      next.broken = broken;
      const shipping = shipOne(recordsMax);
      if (broken) await shipping.catch((error: Error) => assert.match(error.message, /^broken off/));
      else await shipping;
      next.broken = undefined;
    },
    async restart(): Promise<void> {
      await end();
      await begin(made.root);
    },
    async kill(under: Torn): Promise<void> {
      const { journal, root } = made;
      const killed = copyAsKilled(root);
      const texts = makeTexts(under.sizes);
      expected.push(...texts.slice(0, leaveTorn(journal, root, killed, under, texts)));
      await end();
      await begin(killed);
    },
    async shipAll(): Promise<void> {
      const isLeft = () => {
        const [first] = made.journal.sources();
        return first !== undefined && (!first.isOwn || (shipments.get(first.journalId)?.waiting() ?? 1) > 0);
      };
      while (isLeft()) await shipOne(20);
      await end();
    },
  };
}

/** Plays a history, ships what is left, and compares. */
export async function checkHistory(database: Database, run: string, steps: readonly Step[]): Promise<void> {
  const known = await knownJournals(database);
  const world = createWorld(database, run);
  await world.start();
  for (const step of steps) {
    if (step.do === 'append') await world.append(step.sizes);
    if (step.do === 'ship') await world.ship(step.recordsMax, step.broken);
    if (step.do === 'restart') await world.restart();
    if (step.do === 'kill') await world.kill(step.torn);
  }
  await world.restart();
  await world.shipAll();
  assert.deepEqual(await appliedTo(database, run), world.expected);
  assert.deepEqual(await knownJournals(database), known, 'a journal that is shipped and gone is finished');
}
