/**
 * What the tests of journals share: scratch directories, journals, what a killed process leaves behind.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { systemClock } from '#base/clock';
import { createLog, type Log, silentLog } from '#base/log';
import { createMetrics, type Metrics } from '#base/metrics';
import { systemRandom } from '#base/random';
import { listJournals, lockIfFree } from './files/directories.ts';
import { createReader } from './files/reader.ts';
import { createJournal, type Journal, type JournalDeps } from './journal.ts';
import type { JournalOptions } from './options.ts';
import { textsOf } from './shipping/records.fixture.ts';
import { adoptSource, type JournalSource } from './shipping/source.ts';

export const never = new AbortController().signal;

const LOCK_FILE = 'server.lock';
const scratch = mkdtempSync(join(tmpdir(), 'loadstone-journal-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A directory that is removed when the tests of the file have ended. */
export function scratchDirectory(): string {
  return mkdtempSync(join(scratch, 'd-'));
}

export const testOptions: JournalOptions & { name: string } = {
  name: 'clicks',
  fsync: false,
  whenFull: 'reject',
  bytesMax: 2 ** 30,
  fileBytesMax: 2 ** 24,
  fileAgeMsMax: 60_000,
  adoptEveryMs: 100,
  recordBytesMax: 65_536,
};

export interface MadeJournal {
  journal: Journal;
  root: string;
  metrics: Metrics;
  log: LogLines;
}

/** A journal that has not been started. */
export function makeJournal(
  options: Partial<JournalOptions> = {},
  deps: Partial<JournalDeps> = {},
): MadeJournal {
  const root = deps.directory ?? scratchDirectory();
  const metrics = createMetrics();
  const log = collectLog();
  const journal = createJournal(
    { ...testOptions, ...options },
    {
      clock: systemClock,
      random: systemRandom,
      log: log.log,
      metrics,
      tick: setImmediate,
      directory: root,
      ...deps,
    },
  );
  return { journal, root, metrics, log };
}

export interface LogLines {
  log: Log;
  /** Those with this message, oldest first. */
  lines(message: string): Record<string, unknown>[];
}

export function collectLog(): LogLines {
  const all: Record<string, unknown>[] = [];
  const log = createLog(
    { level: 'info', service: 'test' },
    { write: (line) => void all.push(JSON.parse(line)) },
  );
  return { log, lines: (message) => all.filter(({ msg }) => msg === message) };
}

/** Everything from `from` on, in batches of `recordsMax`. */
export async function readSource(
  source: JournalSource,
  { from = 0, recordsMax = 7, log = silentLog } = {},
): Promise<string[]> {
  const reader = createReader(source, { log });
  const texts: string[] = [];
  for (let next = from; next < source.end(); ) {
    const batch = await reader.read(next, recordsMax);
    texts.push(...textsOf(batch.records));
    next = batch.next;
  }
  await reader.close();
  return texts;
}

/** The files as they are now, as a killed process would leave them: its lock counts no more. */
export function copyAsKilled(root: string): string {
  const copy = scratchDirectory();
  cpSync(root, copy, { recursive: true, filter: (path) => !path.endsWith(LOCK_FILE) });
  return copy;
}

/** What a start would find in these directories, by journal, oldest first. */
export async function readOrphans(root: string, log: Log = silentLog): Promise<string[][]> {
  const found: string[][] = [];
  for (const journalId of listJournals(root, testOptions.name)) {
    const directory = join(root, journalId);
    const lock = lockIfFree(directory);
    if (!lock) continue;
    const source = await adoptSource(directory, journalId, lock, { log });
    found.push(await readSource(source, { log }));
    source.close();
  }
  return found;
}
