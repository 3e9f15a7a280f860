/**
 * Random histories of a pipeline, and what must hold after each: every committed event had its effect, none twice, and
 * those of a key in the order of their commits. The log and who follows it see the same.
 */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { type ManualClock, sleep, systemClock } from '#base/clock';
import { type Database, type Queryable, sql, type Transaction } from '#blocks/database';
import { comparePositions, type Handler, type StreamEvent, type StreamStore, type Tail } from '#blocks/stream';
import type { TestDatabase } from '#fixtures/database';
import { createTestIds, type Fate, type Line, type PipelineProcess, startProcess } from './pipeline.fixture.ts';

const PROCESSES = 2;
const KEYS = 5;
const PARTITIONS = 4;
const LEASE_MS = 5000;
const GROUP = 'effects';
const HEAL_MS_MAX = 20_000;
const never = new AbortController().signal;

export type Step =
  /** A transaction writes events, and is committed, aborted, or left open while others go on. */
  | { kind: 'write'; key: number; events: number; end: 'commit' | 'abort' | 'open'; wakes: number }
  | { kind: 'end'; how: 'commit' | 'abort' }
  | { kind: 'pass'; process: number; ms: number }
  | { kind: 'wake'; process: number }
  | { kind: 'fates'; process: number; of: 'outbox' | 'stream'; fates: Fate[] }
  | { kind: 'release'; process: number }
  | { kind: 'kill'; process: number }
  | { kind: 'restart'; process: number }
  | { kind: 'consumer'; process: number; isWanted: boolean }
  | { kind: 'refuse'; key: number; times: number }
  | { kind: 'redrive' }
  | { kind: 'discard' }
  | { kind: 'turns'; count: number };

const process = fc.nat(PROCESSES - 1);
const key = fc.nat(KEYS - 1);
const fates = fc.array(fc.constantFrom<Fate>('fail', 'lost', 'late', 'before', 'inside'), { minLength: 1, maxLength: 3 });
const kind = <K extends Step['kind']>(name: K) => fc.constant(name);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: kind('write'),
      key,
      events: fc.integer({ min: 1, max: 4 }),
      end: fc.constantFrom('commit', 'commit', 'commit', 'abort', 'open'),
      wakes: process,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('end'), how: fc.constantFrom('commit', 'commit', 'abort') }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: kind('pass'), process, ms: fc.constantFrom(20, 20, 1000, 1000, LEASE_MS) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kind('wake'), process }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: kind('fates'), process, of: fc.constantFrom('outbox', 'stream'), fates }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kind('release'), process }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('kill'), process }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('restart'), process }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('consumer'), process, isWanted: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('refuse'), key, times: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('redrive') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('discard') }) },
  { weight: 8, arbitrary: fc.record({ kind: kind('turns'), count: fc.integer({ min: 1, max: 12 }) }) },
);

export const history = (lengthMax: number) => fc.array(step, { minLength: 5, maxLength: lengthMax, size: 'max' });

async function makeTables(admin: Queryable): Promise<void> {
  await admin.run(sql`
    create table if not exists core.history_keys (
      history integer, key text, n integer not null, primary key (history, key))`);
  await admin.run(sql`
    create table if not exists core.history_effects (
      place bigint generated always as identity, history integer not null, event_id bigint not null, key text not null,
      n integer not null)`);
  await admin.run(sql`create index if not exists history_effects_history on core.history_effects (history, place)`);
  await admin.run(sql`grant select, insert, update on core.history_keys to loadstone_app`);
  await admin.run(sql`grant select, insert on core.history_effects to loadstone_system`);
}

interface OpenWrite {
  key: string;
  end(how: 'commit' | 'abort'): Promise<void>;
}

interface World {
  database: Database;
  breakIt: (store: StreamStore) => StreamStore;
  number: number;
  stream: string;
  ids: ReturnType<typeof createTestIds>;
  processes: PipelineProcess[];
  /** Of all processes there have been. */
  lines: Line[];
  seeds: number;
  open: OpenWrite[];
  /** How often events of a key are still to be refused. */
  refusals: Map<string, number>;
  /** The numbers committed of each key, in order. */
  committed: Map<string, number[]>;
  /** `key n` of what was discarded: it has no effect. */
  discarded: Set<string>;
  /** Seen by the one who follows the stream. */
  followed: StreamEvent[];
  /** What goes on beside the steps; waited for at the end. */
  asides: Promise<unknown>[];
}

const keyOf = (world: World, key: number) => `h${world.number}k${key}`;
const numberOf = ({ payload }: StreamEvent) => (payload as { n: number }).n;

function handlerOf(world: World): Handler {
  return async (events, tx) => {
    await tx.run(sql`
      insert into core.history_effects (history, event_id, key, n)
      select ${world.number}, event_id, key, n
      from unnest(${events.map(({ id }) => id)}::bigint[], ${events.map((event) => event.key)}::text[],
        ${events.map(numberOf)}::integer[]) with ordinality as effect (event_id, key, n, place)
      order by place`);
    for (const event of events) {
      const left = world.refusals.get(event.key) ?? 0;
      if (left === 0) continue;
      world.refusals.set(event.key, left - 1);
      throw new Error('refused');
    }
  };
}

async function startNext(world: World): Promise<PipelineProcess> {
  world.seeds += 1;
  const process = await startProcess(world.database, {
    ids: world.ids,
    seed: world.seeds,
    breakIt: world.breakIt,
    outbox: { leaseMs: LEASE_MS, batchMax: 5 },
    streams: { leaseMs: LEASE_MS, batchMax: 4, attemptsMax: 2, backoffBaseMs: 100, backoffMaxMs: 1000 },
  });
  world.lines.push(process.line);
  return process;
}

function wantConsumer(world: World, process: PipelineProcess): void {
  if (process.consumers.size > 0) return;
  const starting = process.consume({ stream: world.stream, group: GROUP }, handlerOf(world));
  world.asides.push(starting.catch(() => {}));
}

class Aborted extends Error {}

/** One writer: locks the row of its key, then writes the events, and then ends as told. */
async function write(
  world: World,
  { key, events, wakes }: { key: string; events: number; wakes: number },
  ending: Promise<'commit' | 'abort'>,
): Promise<void> {
  const place = { workspaceId: '1', bucket: 0 };
  const { outbox } = world.processes[wakes]!;
  let numbers: number[] = [];
  const work = async (tx: Transaction) => {
    const row = await tx.first<{ n: number }>(sql`
      insert into core.history_keys as keys (history, key, n) values (${world.number}, ${key}, ${events})
      on conflict (history, key) do update set n = keys.n + excluded.n
      returning n`);
    numbers = Array.from({ length: events }, (_, i) => row!.n - events + 1 + i);
    const told = numbers.map((n) => ({ stream: world.stream, type: 'counted', key, payload: { n } }));
    await outbox.insertEvents(tx, place, told, undefined);
    if ((await ending) === 'abort') throw new Aborted();
  };
  try {
    await world.database.transact({ system: 'test', ...place }, { signal: never }, work);
  } catch (error) {
    if (error instanceof Aborted) return;
    throw error;
  }
  const all = world.committed.get(key) ?? [];
  world.committed.set(key, all);
  all.push(...numbers);
  world.processes[wakes]!.outbox.wake();
}

async function perform(world: World, step: Step): Promise<void> {
  const process = world.processes['process' in step ? step.process : 0]!;
  switch (step.kind) {
    case 'write':
      return performWrite(world, step);
    case 'end':
      return world.open.shift()?.end(step.how);
    case 'pass':
      return process.clock.advance(step.ms);
    case 'wake':
      return process.outbox.wake();
    case 'fates':
      return process.line.plan(step.of, step.fates);
    case 'release':
      return process.line.release();
    case 'kill':
    case 'restart':
      return replace(world, step.process, step.kind);
    case 'consumer':
      return step.isWanted ? wantConsumer(world, process) : dropConsumer(world, process);
    case 'refuse':
      world.refusals.set(keyOf(world, step.key), step.times);
      return;
    case 'redrive':
      await group(world).redrive();
      return;
    case 'discard':
      return discard(world);
    case 'turns':
      for (let i = 0; i < step.count; i++) await turn();
  }
}

async function performWrite(world: World, step: Extract<Step, { kind: 'write' }>): Promise<void> {
  const key = keyOf(world, step.key);
  // Who wants the row of an open writer would wait for it.
  if (world.open.some((open) => open.key === key)) return;
  if (step.end !== 'open') return write(world, { ...step, key }, Promise.resolve(step.end));
  let resolve: (how: 'commit' | 'abort') => void = () => {};
  const ending = new Promise<'commit' | 'abort'>((r) => {
    resolve = r;
  });
  const writing = write(world, { ...step, key }, ending);
  world.open.push({
    key,
    end(how) {
      resolve(how);
      return writing;
    },
  });
}

/** A killed process is followed at once; one that stops is followed when it has stopped, or is held up in it. */
async function replace(world: World, at: number, how: 'kill' | 'restart'): Promise<void> {
  const old = world.processes[at]!;
  old.line.calm();
  world.asides.push(how === 'kill' ? old.kill() : old.stop());
  world.processes[at] = await startNext(world);
}

function dropConsumer(world: World, process: PipelineProcess): void {
  process.line.release();
  for (const consumer of process.consumers) world.asides.push(consumer.stop(never));
  process.consumers.clear();
}

const group = (world: World) => world.processes[0]!.streams.group(world.stream, GROUP);

async function discard(world: World): Promise<void> {
  const [first] = await group(world).parked({ limit: 1 });
  if (!first) return;
  const { event } = first;
  if ((await group(world).discard([event.position])) === 1) {
    world.discarded.add(`${event.key} ${numberOf(event)}`);
  }
}

interface Effect {
  event_id: string;
  key: string;
  n: number;
}

function effectsOf(world: World): Promise<Effect[]> {
  return world.database.core.rows<Effect>(sql`
    select event_id, key, n from core.history_effects where history = ${world.number} order by place`);
}

function expectedCount(world: World): number {
  return [...world.committed.values()].flat().length;
}

/** When nothing is in the way any more, everything gets done by itself. */
async function heal(world: World, witness: ManualClock): Promise<void> {
  for (const open of world.open.splice(0)) await open.end('commit');
  world.refusals.clear();
  for (const line of world.lines) line.calm();
  for (const line of world.lines) await line.settled();
  wantConsumer(world, world.processes[0]!);
  const endMs = systemClock.monotonicMs() + HEAL_MS_MAX;
  const expected = expectedCount(world);
  for (let round = 0; ; round++) {
    const isFollowed = world.followed.length >= expected;
    const effects = isFollowed ? await effectsOf(world) : [];
    if (isFollowed && effects.length + world.discarded.size >= expected) return;
    if (systemClock.monotonicMs() > endMs) {
      assert.fail(`${effects.length} effects and ${world.followed.length} followed of ${expected} events`);
    }
    if (round % 10 === 9) await group(world).redrive();
    witness.advance(20);
    for (const { clock } of world.processes) clock.advance(round < 10 ? 20 : 500);
    await sleep(systemClock, 0);
  }
}

function assertOrder(world: World, what: string, seen: readonly { key: string; n: number }[]): void {
  const byKey = Map.groupBy(seen, (each) => each.key);
  for (const [key, committed] of world.committed) {
    const isKept = (n: number) => what !== 'effects' || !world.discarded.has(`${key} ${n}`);
    assert.deepEqual(
      (byKey.get(key) ?? []).map(({ n }) => n),
      committed.filter(isKept),
      `${what} of ${key}`,
    );
  }
  assert.equal(seen.length, expectedCount(world) - (what === 'effects' ? world.discarded.size : 0), what);
}

async function check(world: World): Promise<void> {
  assertOrder(world, 'effects', await effectsOf(world));
  const followed = world.followed.map((event) => ({ key: event.key, n: numberOf(event) }));
  assertOrder(world, 'followed', followed);
  for (const [i, event] of world.followed.entries()) {
    const before = world.followed[i - 1];
    assert(!before || comparePositions(before.position, event.position) < 0, 'positions grow');
  }
  const left = await world.database.core.first(sql`
    select from core.outbox where key like ${`h${world.number}k%`}`);
  assert.equal(left, undefined, 'nothing is left in the outbox');
}

export interface Histories {
  /** Runs one history, and checks what has come of it. */
  run(steps: readonly Step[]): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Makes the tables that histories write to, and one process that outlives them all and follows their streams.
 * @param breakIt a defect for the others, which should then be found
 */
export async function startHistories(
  { database, admin }: Pick<TestDatabase, 'database' | 'admin'>,
  breakIt: (store: StreamStore) => StreamStore = (store) => store,
): Promise<Histories> {
  await makeTables(admin);
  const ids = createTestIds();
  const witness = await startProcess(database, { ids, seed: 0, hasRelay: false });
  let number = 0;

  function newWorld(): World {
    number += 1;
    return {
      database,
      ids,
      breakIt,
      number,
      stream: `history${number}`,
      processes: [],
      lines: [],
      seeds: 0,
      open: [],
      refusals: new Map(),
      committed: new Map(),
      discarded: new Set(),
      followed: [],
      asides: [],
    };
  }

  async function follow(world: World): Promise<Tail> {
    await witness.streams.declare(world.stream, PARTITIONS);
    return witness.streams.tail(world.stream, {
      after: 'latest',
      onEvents: (events) => void world.followed.push(...events),
      onEnd: (error) => void world.asides.push(Promise.reject(error)),
    });
  }

  return {
    async run(steps) {
      const world = newWorld();
      // Of the history before, which may have failed in the middle.
      await admin.run(sql`delete from core.leases`);
      await admin.run(sql`delete from core.outbox`);
      const tail = await follow(world);
      world.processes = await Promise.all(Array.from({ length: PROCESSES }, () => startNext(world)));
      try {
        for (const process of world.processes) wantConsumer(world, process);
        for (const step of steps) await perform(world, step);
        await heal(world, witness.clock);
        await check(world);
      } finally {
        for (const open of world.open.splice(0)) await open.end('abort');
        await tail.close();
        for (const process of world.processes) world.asides.push(process.kill());
        await Promise.all(world.asides);
      }
    },
    stop: witness.stop,
  };
}
