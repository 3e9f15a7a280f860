/**
 * A process that appends to a journal and ships it, for tests that kill it. It prints the number of each acknowledged
 * record, written before the next is begun by the same caller; the records are `<round>:<number>`, numbered in the order
 * of the calls.
 */
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createDatabase, databaseOptions } from '#blocks/database';
import { createJournal } from './journal.ts';
import { journalMigrations } from './migrations.ts';
import { type JournalOptions, journalOptions } from './options.ts';
import { applyTo, shipperDefaults, shipperDeps } from './shipping/records.fixture.ts';
import { createShipper } from './shipping/shipper.ts';

export interface WriterArguments {
  url: string;
  root: string;
  round: number;
  run: string;
  callers: number;
  journal: Partial<JournalOptions>;
}

const never = new AbortController().signal;
const given = JSON.parse(process.argv[2] ?? '{}') as WriterArguments;

const database = createDatabase(parseOptions(databaseOptions, { primary: given.url, poolMax: 2 }), {
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  metrics: createMetrics(),
  dataDirectory: given.root,
  migrations: [journalMigrations],
  report: () => {},
});
const journal = createJournal(
  { name: 'clicks', ...parseOptions(journalOptions, given.journal) },
  {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    metrics: createMetrics(),
    tick: setImmediate,
    directory: given.root,
  },
);
const shipper = createShipper(
  { ...shipperDefaults, batchMax: 50 },
  shipperDeps({ journal, database, run: given.run, apply: applyTo(given.run) }),
);
await database.start(never);
await journal.start(never);
await shipper.start(never);

let next = 0;
async function call(): Promise<void> {
  for (;;) {
    const number = next++;
    await journal.append(Buffer.from(`${given.round}:${number}`));
    await new Promise((resolve) => process.stdout.write(`${number}\n`, resolve));
  }
}
await Promise.all(Array.from({ length: given.callers }, call));
