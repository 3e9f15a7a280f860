/**
 * What a look at what holds back vacuum costs, and an examination. Run it with Node:
 * `node src/blocks/doctor/doctor.bench.ts`.
 */
import { systemClock } from '#base/clock';
import { parseOptions } from '#base/options';
import { sql } from '#blocks/database';
import { startTestDatabase } from '#fixtures/database';
import { examine } from './examine.ts';
import { readHolders } from './holders.ts';
import { doctorMigrations } from './migrations.ts';
import { xminWatchOptions } from './options.ts';
import { openSession } from './session.fixture.ts';

const SESSIONS = 40;
const options = parseOptions(xminWatchOptions, {});
const it = await startTestDatabase({ migrations: [doctorMigrations] });
const { core } = it.database;

/** The tenth percentile is what it costs when nothing else wants the processor just then. */
async function measure(what: string, count: number, work: () => Promise<unknown>): Promise<void> {
  const tries: number[] = [];
  for (let i = 0; i < count; i++) {
    const startMs = systemClock.monotonicMs();
    await work();
    tries.push(systemClock.monotonicMs() - startMs);
  }
  tries.sort((a, b) => a - b);
  const at = (share: number) => tries[Math.floor(count * share)]?.toFixed(2);
  process.stdout.write(`${what}: p10 ${at(0.1)} ms, median ${at(0.5)} ms\n`);
}

await measure('a round trip', 2000, () => core.first(sql`select 1`));
await measure('a look, idle server', 2000, () => readHolders(core, options.queryLengthMax));
await measure('an examination, idle server', 100, () => examine(core, options, new AbortController().signal));

const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => openSession(it.url)));
for (const session of sessions) {
  await session.send('begin isolation level repeatable read');
  await session.send('select 1');
}
await measure(`a look, ${SESSIONS} open snapshots`, 2000, () => readHolders(core, options.queryLengthMax));
for (const session of sessions) await session.close();
await it.stop();
