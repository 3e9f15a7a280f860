/**
 * Random histories of sessions over a primary and a standby whose replay is held back at random: each session writes, and
 * reads with the position of its last write; now and then one hands what it knows to another. What is checked is reading
 * one's own writes: no read may show less than what its session has written or was told of.
 */
import assert from 'node:assert/strict';
import { sleep, systemClock } from '#base/clock';
import { type Random, seededRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { latestPosition } from '#blocks/postgres';
import { makeTestDirectory, startTestDatabase, startTestPostgres, type TestDatabase } from '../fixture.ts';
import { shopMigrations } from '../migrate/migrations.fixture.ts';
import type { Consistency } from '../port.ts';
import { sql } from '../sql.ts';
import { startTestStandby, type TestStandby } from './standby.fixture.ts';

export interface SessionsGround {
  db: TestDatabase;
  standby: TestStandby;
  stop(): Promise<void>;
}

/** What came of a number of histories. */
export interface Tally {
  reads: number;
  /** Reads that showed less than their session had written. */
  violations: string[];
}

const SESSIONS_MAX = 4;
const STEPS_MAX = 8;
const KEYS = 2;
const AT_ONCE = 8;
const PAUSE_MS_MAX = 30;
const TABLE = `create table shop.registers (
  history integer not null, key integer not null, version integer not null, primary key (history, key))`;

export async function startSessionsGround(): Promise<SessionsGround> {
  const directory = makeTestDirectory();
  const postgres = await startTestPostgres(directory);
  const primary = await postgres.makeDatabase();
  const name = /@\/(\w+)\?/.exec(primary)?.[1] as string;
  const standby = await startTestStandby(directory);
  const db = await startTestDatabase({
    migrations: [shopMigrations({ '0001_registers.sql': TABLE })],
    options: { primary, replicas: [standby.urlOf(name)], replicaLagMsMax: 60_000 },
  });
  await eventually('the replica is healthy', async () => {
    const metric = db.metrics.registry.getSingleMetric('loadstone_database_replicas_healthy');
    return (await metric?.get())?.values[0]?.value === 1;
  });
  return {
    db,
    standby,
    async stop() {
      await db.stop();
      await standby.stop();
      await postgres.stop();
    },
  };
}

const whole = (random: Random, below: number) => Math.floor(random.fraction() * below);

/** Holds back replay and lets it go on, at random, for as long as `work` lasts. */
async function withRandomPauses<T>(standby: TestStandby, random: Random, work: Promise<T>): Promise<T> {
  const ending = new AbortController();
  async function pauseAndResume(): Promise<void> {
    while (!ending.signal.aborted) {
      await standby.pause();
      await sleep(systemClock, random.fraction() * PAUSE_MS_MAX, ending.signal).catch(() => {});
      await standby.resume();
      await sleep(systemClock, random.fraction() * PAUSE_MS_MAX, ending.signal).catch(() => {});
    }
  }
  const pausing = pauseAndResume();
  try {
    return await work;
  } finally {
    ending.abort();
    await pausing;
  }
}

/** What a session has written, or was told of by who has. */
interface Knowledge {
  position: string | undefined;
  versions: number[];
}

interface HistoryContext {
  db: TestDatabase;
  history: number;
  consistency: Consistency;
  random: Random;
  tally: Tally;
}

const signal = new AbortController().signal;

async function write({ db, history, random }: HistoryContext, known: Knowledge): Promise<void> {
  const key = whole(random, KEYS);
  const onCommit = (position: string) => {
    known.position = position;
  };
  const placement = { system: 'shop', workspaceId: '1', bucket: 0 };
  const written = await db.database.transact(placement, { signal, onCommit }, (tx) =>
    tx.first(sql<{ version: number }>`
      insert into shop.registers as r (history, key, version) values (${history}, ${key}, 1)
      on conflict (history, key) do update set version = r.version + 1 returning version`),
  );
  assert(written && known.position !== undefined, 'a write gives its version, and its position');
  known.versions[key] = written.version;
}

async function read({ db, history, consistency, random, tally }: HistoryContext, known: Knowledge) {
  const key = whole(random, KEYS);
  const wanted = known.versions[key] ?? 0;
  const reader = db.database.reader({ consistency, after: known.position, signal });
  const found = await reader.first(sql<{ version: number }>`
    select version from shop.registers where history = ${history} and key = ${key}`);
  tally.reads += 1;
  const version = found?.version ?? 0;
  if (version < wanted) {
    tally.violations.push(`history ${history}, key ${key}: version ${version} was read after ${wanted}`);
  }
}

/** Both know from now on what either knew. */
function hand(from: Knowledge, to: Knowledge): void {
  const tokens = [from.position, to.position].filter((each) => each !== undefined);
  to.position = latestPosition(tokens);
  for (let key = 0; key < KEYS; key++) {
    to.versions[key] = Math.max(to.versions[key] ?? 0, from.versions[key] ?? 0);
  }
}

async function runHistory(context: HistoryContext): Promise<void> {
  const { random } = context;
  const sessions: Knowledge[] = Array.from({ length: 1 + whole(random, SESSIONS_MAX) }, () => ({
    position: undefined,
    versions: [],
  }));
  async function runSession(own: Knowledge): Promise<void> {
    for (let steps = 1 + whole(random, STEPS_MAX); steps > 0; steps--) {
      const dice = random.fraction();
      if (dice < 0.4) await write(context, own);
      else if (dice < 0.9) await read(context, own);
      else hand(sessions[whole(random, sessions.length)] as Knowledge, own);
    }
  }
  await Promise.all(sessions.map(runSession));
}

/** Runs histories `from` to `from + count - 1`, several at a time. */
export async function runHistories(
  { db, standby }: SessionsGround,
  { from, count, consistency, seed }: { from: number; count: number; consistency: Consistency; seed: number },
): Promise<Tally> {
  const tally: Tally = { reads: 0, violations: [] };
  let next = from;
  async function runNext(): Promise<void> {
    while (next < from + count) {
      const history = next++;
      const random = seededRandom(seed * 1_000_003 + history);
      await runHistory({ db, history, consistency, random, tally });
    }
  }
  const all = Promise.all(Array.from({ length: AT_ONCE }, runNext));
  await withRandomPauses(standby, seededRandom(seed), all);
  return tally;
}

/** Of reads at `session`: how many each server has answered, and how many only because the replica was behind. */
export async function whereSessionsRead({ db }: SessionsGround) {
  const metric = await db.metrics.registry.getSingleMetric('loadstone_database_reads_total')?.get();
  const sum = (matches: (labels: Record<string, unknown>) => boolean) =>
    (metric?.values ?? [])
      .filter(({ labels }) => labels.consistency === 'session' && matches(labels))
      .reduce((total, { value }) => total + value, 0);
  return {
    replica: sum(({ server }) => server === 'replica'),
    behind: sum(({ reason }) => reason === 'behind'),
    other: sum(({ server, reason }) => server === 'primary' && reason !== 'behind'),
  };
}
