/**
 * Random histories of a pipeline, and what must hold after each: every committed event had its effect, none twice, and
 * those of a key in the order of their commits. The log and who follows it see the same.
 */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { type ManualClock, sleep, systemClock } from '#base/clock';
import { type Database, type Queryable, sql, type Transaction } from '#blocks/database';
import {
  comparePositions,
  type Handler,
  type StreamEvent,
  type StreamStore,
  type Tail,
} from '#blocks/stream';
import type { TestDatabase } from '#fixtures/database';
import { createTestIds, type Line, type PipelineProcess, startProcess } from './pipeline.fixture.ts';
import { LEASE_MS, PROCESSES, type Step } from './steps.fixture.ts';

const PARTITIONS = 4;
const GROUP = 'effects';
const HEAL_MS_MAX = 20_000;
/** When a history has failed already, and the shortest one like it is looked for. */
const SHRINKING_HEAL_MS_MAX = 2000;
/** After everything is done, for what would be done twice. */
const MORE_ROUNDS = 3;
const never = new AbortController().signal;

async function makeTables(admin: Queryable): Promise<void> {
  await admin.run(sql`
    create table if not exists core.history_keys (
      history integer, key text, n integer not null, primary key (history, key))`);
  await admin.run(sql`
    create table if not exists core.history_effects (
      place bigint generated always as identity, history integer not null, event_id bigint not null, key text not null,
      n integer not null)`);
  await admin.run(
    sql`create index if not exists history_effects_history on core.history_effects (history, place)`,
  );
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
  /** What has gone wrong beside the steps. */
  failures: unknown[];
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

/** Goes on beside the steps, and must not fail. */
function beside(world: World, work: Promise<unknown>): void {
  world.asides.push(work.catch((error: unknown) => void world.failures.push(error)));
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
  beside(world, how === 'kill' ? old.kill() : old.stop());
  world.processes[at] = await startNext(world);
}

function dropConsumer(world: World, process: PipelineProcess): void {
  process.line.release();
  for (const consumer of process.consumers) beside(world, consumer.stop(never));
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
async function heal(world: World, witness: ManualClock, msMax: number): Promise<void> {
  for (const open of world.open.splice(0)) await open.end('commit');
  world.refusals.clear();
  for (const line of world.lines) line.calm();
  for (const line of world.lines) await line.settled();
  wantConsumer(world, world.processes[0]!);
  const endMs = systemClock.monotonicMs() + msMax;
  const expected = expectedCount(world);
  for (let round = 0, more = MORE_ROUNDS; more > 0; round++) {
    const isFollowed = world.followed.length >= expected;
    const effects = isFollowed ? await effectsOf(world) : [];
    if (isFollowed && effects.length + world.discarded.size >= expected) more -= 1;
    if (systemClock.monotonicMs() > endMs) {
      assert.fail(`${effects.length} effects and ${world.followed.length} followed of ${expected} events`);
    }
    if (round % 5 === 4) await group(world).redrive();
    witness.advance(20);
    for (const { clock } of world.processes) clock.advance(round < 5 ? 20 : 500);
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
  let isShrinking = false;

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
      failures: [],
    };
  }

  async function follow(world: World): Promise<Tail> {
    await witness.streams.declare(world.stream, PARTITIONS);
    return witness.streams.tail(world.stream, {
      after: 'latest',
      onEvents: (events) => void world.followed.push(...events),
      onEnd: (error) => void world.failures.push(error),
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
        await heal(world, witness.clock, isShrinking ? SHRINKING_HEAL_MS_MAX : HEAL_MS_MAX);
        await check(world);
      } catch (error) {
        isShrinking = true;
        throw error;
      } finally {
        for (const open of world.open.splice(0)) await open.end('abort');
        await tail.close();
        for (const process of world.processes) beside(world, process.kill());
        await Promise.all(world.asides);
      }
      assert.deepEqual(world.failures, [], 'nothing else has failed');
    },
    stop: witness.stop,
  };
}
