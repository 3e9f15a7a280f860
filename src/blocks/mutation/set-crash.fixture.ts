/**
 * Processes that are killed while they carry out sets: each call is there as a whole or not at all, and an answered one is.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { identifier, sql } from '#blocks/database';
import { makeTestDirectory, type TestDatabase } from '#fixtures/database';
import { type Added, countInSet } from './counter.fixture.ts';
import { mutationOf, type TestGround } from './ground.fixture.ts';
import type { SetProcessArguments } from './set-process.fixture.ts';

const PROGRAM = join(import.meta.dirname, 'set-process.fixture.ts');
const POINTS = ['mutation_set.decided', 'mutation_set.committed'] as const;
const CALLS = 64;

async function runUntilKilled(given: SetProcessArguments): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(given)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  assert.equal(signal, 'SIGKILL', `the process was to be killed at a fault point, and ended with ${code}`);
}

function readAnswers(file: string): Map<number, number> {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').filter(Boolean) : [];
  return new Map(lines.map((line) => line.split(' ').map(Number) as [number, number]));
}

/** Kills a process at a fault point while it carries out sets, looks at what is left, and repeats every call. */
export async function crashSets(
  it: TestDatabase,
  { mutations }: TestGround,
  name: string,
  random: Random,
): Promise<void> {
  const directory = makeTestDirectory();
  const point = POINTS[Math.floor(random.fraction() * POINTS.length)] as string;
  const faults = join(directory, 'faults.json');
  const afterHits = Math.floor(random.fraction() * 6);
  writeFileSync(faults, JSON.stringify({ points: { [point]: { action: 'crash', afterHits } } }));
  await it.admin.run(sql`insert into public.counters values (1, ${name}, 0, 1000)`);
  const answers = join(directory, 'answers');
  await it.admin.run(sql`create role ${identifier(name)} superuser login`);
  const primary = it.url.replace(/\/\/[^@]*@/, `//${name}@`);
  await runUntilKilled({ primary, faults, counter: name, calls: CALLS, answers });
  // Postgres goes on with what it was sent: a COMMIT may still be on its way into the tables.
  await eventually(`the sessions of ${name} have ended`, async () => {
    const session = sql`select from pg_stat_activity where usename = ${name}`;
    return (await it.admin.first(session)) === undefined;
  });

  const answered = readAnswers(answers);
  const rows = await it.admin.rows<{ n: number; text: string }>(sql`
    select n, text from public.entries where workspace_id = 1 and counter = ${name} order by n`);
  const callOf = new Map(rows.map(({ n, text }) => [n, Number(text.split(' ')[1])]));
  assert.deepEqual(
    rows.map(({ n }) => n),
    rows.map((_, at) => at + 1),
  );
  for (const [call, n] of answered)
    assert.equal(callOf.get(n), call, `call ${call} was answered and is lost`);
  const left = await it.admin.first<{ jobs: number; counted: number }>(sql`
    select (select count(*)::integer from core.jobs where workspace_id = 1 and queue = 'mail'
      and unique_key like ${`${name} %`}) as jobs,
      (select n from public.counters where workspace_id = 1 and counter = ${name}) as counted`);
  assert.deepEqual(left, { jobs: rows.length, counted: rows.length });

  const repeated = await Promise.all(
    Array.from({ length: CALLS }, (_, call) => {
      const job = { uniqueKey: `${name} ${call}`, onDuplicate: 'reject' as const };
      const input = { counter: name, text: `call ${call}`, job };
      const reply = (value: Added) => ({ status: 201, headers: {}, body: value });
      return mutations.runInSet(mutationOf(`${name} ${call}`), countInSet, input, reply);
    }),
  );
  for (const [call, { outcome, isReplayed }] of repeated.entries()) {
    const { n } = outcome.body as Added;
    assert.equal(isReplayed, callOf.get(n) === call, `call ${call} is kept exactly if its row is there`);
  }
  await eventually(`the events of ${name}`, async () => {
    const events = await it.admin.first<{ count: number }>(sql`
      select count(*)::integer as count from core.stream_events
      where stream_id = (select stream_id from core.streams where name = 'things') and workspace_id = 1
        and key = ${name}`);
    return events?.count === CALLS;
  });
}
