import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { createManualClock } from '#base/clock';
import type { Lifecycle } from '#base/lifecycle';
import { lifecycleSuite } from '#base/lifecycle.suite';
import type { Metrics } from '#base/metrics';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { readPostmasterFile, type TestDatabase } from '#fixtures/database';
import { collectLog, copyAsKilled, type MadeJournal, makeJournal, never } from '../journal.fixture.ts';
import type { JournalOptions, ShipperOptions } from '../options.ts';
import {
  appliedTo,
  applyTo,
  bytesOf,
  knownJournals,
  shipperDefaults,
  shipperDeps,
  textsOf,
} from './records.fixture.ts';
import type { Apply } from './shipment.ts';
import { createShipper, type ShipperDeps } from './shipper.ts';
import { startShippingDatabase } from './shipping.fixture.ts';

let made: TestDatabase;
before(async () => {
  made = await startShippingDatabase();
});

interface Scene extends MadeJournal {
  run: string;
  shipper: Lifecycle;
  shipperMetrics: Metrics;
  append(texts: readonly string[]): Promise<unknown>;
  applied(): Promise<string[]>;
  stop(): Promise<void>;
}

interface Given {
  journal?: Partial<JournalOptions>;
  shipper?: Partial<ShipperOptions>;
  deps?: Partial<ShipperDeps>;
  root?: string;
  run?: string;
}

let runs = 0;

function makeScene(given: Given = {}): Scene {
  const run = given.run ?? `scene ${runs++}`;
  const journal = makeJournal(given.journal, given.root === undefined ? {} : { directory: given.root });
  const deps = shipperDeps({ journal: journal.journal, database: made.database, run, ...given.deps });
  const shipper = createShipper({ ...shipperDefaults, ...given.shipper }, deps);
  return {
    ...journal,
    run,
    shipper,
    shipperMetrics: deps.metrics,
    append: (texts) => Promise.all(texts.map((text) => journal.journal.append(bytesOf(text)))),
    applied: () => appliedTo(made.database, run),
    async stop() {
      await shipper.stop(never);
      await journal.journal.stop(never);
    },
  };
}

async function started(t: { after(run: () => Promise<void>): void }, given?: Given): Promise<Scene> {
  const scene = makeScene(given);
  t.after(scene.stop);
  await scene.journal.start(never);
  await scene.shipper.start(never);
  return scene;
}

async function metric({ shipperMetrics }: Scene, name: string): Promise<number> {
  const found = await shipperMetrics.registry.getSingleMetric(`loadstone_journal_${name}`)?.get();
  return found?.values[0]?.value ?? Number.NaN;
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `record ${from + i}`);
const caughtUp = (scene: Scene) =>
  eventually('all is shipped', async () => (await metric(scene, 'lag_records')) === 0);

lifecycleSuite('shipper', async () => {
  const { journal, shipper } = makeScene();
  return {
    ...shipper,
    async start(signal) {
      await journal.start(never).catch(() => {});
      await shipper.start(signal);
    },
    async stop(deadline) {
      await shipper.stop(deadline);
      await journal.stop(never);
    },
  };
});

test('records arrive in order, in batches, and their files are deleted', async (t) => {
  const scene = await started(t, { journal: { bytesMax: 40_000 }, shipper: { batchMax: 100 } });
  for (let i = 0; i < 20; i++) {
    await scene.append(numbers(50, i * 50));
    if (i % 7 === 6) await caughtUp(scene);
  }
  await caughtUp(scene);
  assert.deepEqual(await scene.applied(), numbers(1000));
  assert.equal(await metric(scene, 'shipped_total'), 1000);
  assert.equal(await metric(scene, 'lag_seconds'), 0);
  const [own] = scene.journal.sources();
  await eventually('only the last file is left', () => own!.files().length <= 1);
});

test('a record waits for others, at most lingerMs; a whole batch does not wait', async (t) => {
  const clock = createManualClock();
  const scene = await started(t, { shipper: { lingerMs: 1000, batchMax: 10 }, deps: { clock } });
  await scene.append(numbers(9));
  clock.advance(999);
  assert.equal(await metric(scene, 'lag_seconds'), 0.999);
  assert.deepEqual(await scene.applied(), []);
  clock.advance(1);
  await caughtUp(scene);
  assert.deepEqual(await scene.applied(), numbers(9));
  await scene.append(numbers(25, 9));
  await eventually('two batches are there', async () => (await scene.applied()).length === 29);
  assert.equal(await metric(scene, 'lag_records'), 5);
});

test('a restart goes on where the stored position says, and forgets what is done', async () => {
  const first = makeScene({ shipper: { lingerMs: 60_000 } });
  await first.journal.start(never);
  await first.shipper.start(never);
  await first.append(numbers(10));
  const [{ journalId } = { journalId: '' }] = first.journal.sources();
  await first.stop();
  assert.deepEqual(await first.applied(), numbers(10), 'a stop ships what is there');
  assert(existsSync(join(first.root, journalId)), 'its position is forgotten only after its files');
  assert((await knownJournals(made.database)).includes(journalId));

  const unshipped = makeScene({ root: first.root, run: first.run });
  await unshipped.journal.start(never);
  await unshipped.append(numbers(10, 10));
  await unshipped.journal.stop(never);

  const second = makeScene({ root: first.root, run: first.run });
  await second.journal.start(never);
  assert.equal(second.journal.sources().length, 3);
  await second.append(numbers(5, 20));
  await second.shipper.start(never);
  await caughtUp(second);
  assert.deepEqual(await second.applied(), numbers(25), 'in the order of the processes');
  await eventually('what is done is gone', () => second.journal.sources().length === 1);
  assert.equal(readdirSync(first.root).length, 1);
  assert(!(await knownJournals(made.database)).includes(journalId));
  await second.stop();
});

test('one journal in two places is shipped once', async (t) => {
  const run = 'twice';
  const scene = makeScene({ run });
  await scene.journal.start(never);
  await scene.append(numbers(200));
  await scene.journal.stop(never);
  const shipper = { batchMax: 7 };
  const both = await Promise.all([
    started(t, { root: scene.root, run, shipper }),
    started(t, { root: copyAsKilled(scene.root), run, shipper }),
  ]);
  for (const each of both) await eventually('it is done', () => each.journal.sources().length === 1);
  assert.deepEqual(await scene.applied(), numbers(200));
});

test('Postgres dies under load: nothing is lost, nothing comes twice', async (t) => {
  const scene = await started(t, { shipper: { batchMax: 50 } });
  let appended = 0;
  const appendMore = async () => {
    await scene.append(numbers(100, appended));
    appended += 100;
  };
  for (let i = 0; i < 5; i++) await appendMore();
  process.kill(readPostmasterFile(made.dataDirectory).pid, 'SIGKILL');
  await eventually('a failure is noticed', async () => {
    await appendMore();
    return (await metric(scene, 'ship_failures_total')) > 0;
  });
  await appendMore();
  await caughtUp(scene);
  assert.deepEqual(await scene.applied(), numbers(appended));
});

test('what cannot be applied holds back the rest, but nothing before it, and is named', async (t) => {
  let isRefused = true;
  const refusing = (run: string): Apply => {
    const apply = applyTo(run);
    return async (records, tx) => {
      await apply(records, tx);
      if (isRefused && textsOf(records).includes('record 77')) throw new Error('cannot be applied');
    };
  };
  const log = collectLog();
  const run = 'refused';
  const scene = await started(t, {
    run,
    deps: { apply: refusing(run), log: log.log },
    shipper: { retryMsMax: 100 },
  });
  await scene.append(numbers(100));
  const failures = () => log.lines('records could not be shipped; trying again');
  await eventually('it stands alone', () =>
    failures().some(({ records }) => JSON.stringify(records) === '{"first":77,"count":1,"waiting":23}'),
  );
  assert.deepEqual(await scene.applied(), numbers(77));
  isRefused = false;
  await caughtUp(scene);
  assert.deepEqual(await scene.applied(), numbers(100));
});

test('a transaction that hangs is given up and tried again', async (t) => {
  let isHung = false;
  const run = 'hung';
  const apply: Apply = async (records, tx) => {
    if (!isHung) {
      isHung = true;
      await tx.run(sql`select pg_sleep(3600)`);
    }
    await applyTo(run)(records, tx);
  };
  const scene = await started(t, { run, deps: { apply }, shipper: { timeoutMs: 200 } });
  await scene.append(numbers(10));
  await caughtUp(scene);
  assert.deepEqual(await scene.applied(), numbers(10));
});
