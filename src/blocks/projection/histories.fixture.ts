/**
 * Random histories of a projection: writers, relays, consumers that come and go, events that are refused, a table that is
 * tampered with, and in the midst of it rebuilds, some given up, and verifies. What must hold: a verify finds nothing that
 * nobody has tampered with, and in the end the table is the truth.
 */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { isLoadstoneError } from '#base/errors';
import { eventually } from '#base/testing/eventually.fixture';
import { identifier, sql } from '#blocks/database';
import type { TestDatabase } from '#fixtures/database';
import type { RebuildProgress } from './catch-up.ts';
import {
  joinShopDatabase,
  makeShop,
  readCounts,
  readTruth,
  type Shop,
  type ShopProcess,
  startShopProcess,
} from './shop.fixture.ts';

const ITEMS = 6;
const KINDS = 3;
const signal = new AbortController().signal;

export type Step =
  | { kind: 'write'; process: number; item: number; of: number | undefined; isAwaited: boolean }
  | { kind: 'restart'; process: number; hasRelay: boolean; hasConsumer: boolean }
  | { kind: 'rebuild'; process: number; giveUpAt: RebuildProgress['phase'] | undefined; isAwaited: boolean }
  | { kind: 'verify'; process: number; sample: number | undefined; isAwaited: boolean }
  | { kind: 'tamper' }
  | { kind: 'refuse'; item: number }
  | { kind: 'accept'; redrives: boolean }
  | { kind: 'turns'; count: number };

const kind = <K extends Step['kind']>(name: K) => fc.constant(name);
const process = fc.nat(1);
const item = fc.nat(ITEMS - 1);
const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      kind: kind('write'),
      process,
      item,
      of: optional(fc.nat(KINDS - 1)),
      isAwaited: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kind('restart'),
      process,
      hasRelay: fc.boolean(),
      hasConsumer: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: kind('rebuild'),
      process,
      giveUpAt: fc.constantFrom(undefined, undefined, 'filling', 'catching_up', 'swapping'),
      isAwaited: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: kind('verify'),
      process,
      sample: optional(fc.constant(2)),
      isAwaited: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('tamper') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('refuse'), item }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('accept'), redrives: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ kind: kind('turns'), count: fc.integer({ min: 1, max: 30 }) }) },
);

export const history = (lengthMax: number) =>
  fc.array(step, { minLength: 8, maxLength: lengthMax, size: 'max' });

/** What a rebuild may end with here, other than well. */
const REBUILD_FAILURES = new Set([
  'rebuild_running',
  'rebuild_stalled',
  'rebuild_blocked',
  'stopped',
  'given_up',
]);

interface World {
  it: TestDatabase;
  /** As the second process has it. */
  other: TestDatabase;
  shop: Shop;
  processes: ShopProcess[];
  /** How often the table has been tampered with, and how much of that a rebuild has undone. */
  tampered: number;
  repaired: number;
  hasRefused: boolean;
  asides: Promise<unknown>[];
}

function startNext(
  world: World,
  number: number,
  { hasRelay, hasConsumer }: { hasRelay: boolean; hasConsumer: boolean },
) {
  const { database } = number === 0 ? world.it : world.other;
  const options = { batchMax: 3, waitMs: 200, lockTimeoutMs: 50 };
  return startShopProcess(world.it, world.shop, { database, hasRelay, hasConsumer, options });
}

async function restart(
  world: World,
  { process: number, ...settings }: Step & { kind: 'restart' },
): Promise<void> {
  await world.processes[number]?.stop();
  world.processes[number] = await startNext(world, number, settings);
}

async function rebuild(
  world: World,
  { process: number, giveUpAt }: Step & { kind: 'rebuild' },
): Promise<void> {
  const giveUp = new AbortController();
  const { tampered } = world;
  const reason = Object.assign(new Error('given up'), { code: 'given_up' });
  try {
    await world.processes[number]?.projections.rebuild(world.shop.name, {
      signal: giveUp.signal,
      onProgress({ phase }) {
        if (phase === giveUpAt) giveUp.abort(reason);
      },
    });
    world.repaired = Math.max(world.repaired, tampered);
  } catch (error) {
    const { code = '' } = error as { code?: string };
    const isRefusal = code === 'rebuild_refused_event' && world.hasRefused;
    if (!REBUILD_FAILURES.has(code) && !isRefusal) throw error;
  }
}

async function verify(world: World, { process: number, sample }: Step & { kind: 'verify' }): Promise<void> {
  const tamperedBefore = world.tampered - world.repaired;
  try {
    const options = sample === undefined ? { signal } : { signal, sample };
    const found = await world.processes[number]?.projections.verify(world.shop.name, options);
    const isTampered = tamperedBefore > 0 || world.tampered > world.repaired;
    if (found && found.refusedTotal === 0 && !isTampered) assert.deepEqual(found.differences, []);
  } catch (error) {
    if (!isLoadstoneError(error) || error.code !== 'stopped') throw error;
  }
}

async function redrive({ processes, shop }: World): Promise<void> {
  await processes[0]?.streams.group(shop.name, shop.name).redrive();
}

/** Begins the step. @returns what is to be waited for at the end of the history, if it goes on beside the next steps */
function take(world: World, each: Step): { done: Promise<void>; isAwaited: boolean } {
  const { processes, shop } = world;
  const awaited = (done: Promise<void>) => ({ done, isAwaited: true });
  switch (each.kind) {
    case 'write': {
      const value = each.of === undefined ? undefined : { kind: `kind${each.of}`, amount: each.item };
      const done = (processes[each.process] as ShopProcess).put(`item${each.item}`, value);
      return { done, isAwaited: each.isAwaited };
    }
    case 'restart':
      return awaited(restart(world, each));
    case 'rebuild':
      return { done: rebuild(world, each), isAwaited: each.isAwaited };
    case 'verify':
      return { done: verify(world, each), isAwaited: each.isAwaited };
    case 'tamper':
      world.tampered += 1;
      return awaited(tamper(world));
    case 'refuse':
      world.hasRefused = true;
      shop.refused.add(`item${each.item}`);
      return awaited(Promise.resolve());
    case 'accept':
      shop.refused.clear();
      return awaited(each.redrives ? redrive(world) : Promise.resolve());
    case 'turns':
      return awaited(turns(each.count));
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

async function tamper({ it, shop }: World): Promise<void> {
  await it.admin.run(sql`update ${identifier(`${shop.name}.counts`)} set n = n + 1000`);
}

/** All is well from now on, and everything is repaired: then the table is the truth. */
async function settle(world: World): Promise<void> {
  const { it, shop } = world;
  shop.refused.clear();
  for (const number of [0, 1]) {
    await restart(world, { kind: 'restart', process: number, hasRelay: true, hasConsumer: true });
  }
  const [first] = world.processes as [ShopProcess];
  const { name } = shop;
  if (world.tampered > world.repaired) {
    await eventually('a last rebuild', () =>
      first.projections.rebuild(name, { signal }).then(
        () => true,
        ({ code }) =>
          assert(['rebuild_refused_event', 'rebuild_blocked', 'rebuild_stalled'].includes(code), code),
      ),
    );
    world.repaired = world.tampered;
  }
  // Events whose effects cancel out may still be set aside when the table is the truth already.
  await eventually('all events have had their effects', async () => {
    await redrive(world);
    const found = await first.projections.verify(name, { signal });
    assert.deepEqual([found.differences, found.refused], [[], []]);
    return found.eventsPending === 0;
  });
  assert.deepEqual(await readCounts(it, shop), await readTruth(it, shop));
  world.hasRefused = false;
}

export interface Histories {
  run(steps: readonly Step[]): Promise<void>;
  stop(): Promise<void>;
}

/** Runs histories one after another, on one shop: each begins where the one before has ended. */
export async function startHistories(it: TestDatabase): Promise<Histories> {
  const other = await joinShopDatabase(it);
  const shop = await makeShop(it, 'histories');
  const world: World = {
    it,
    other,
    shop,
    processes: [],
    tampered: 0,
    repaired: 0,
    hasRefused: false,
    asides: [],
  };
  const both = { hasRelay: true, hasConsumer: true };
  for (const number of [0, 1]) world.processes[number] = await startNext(world, number, both);
  return {
    async run(steps) {
      for (const each of steps) {
        const { done, isAwaited } = take(world, each);
        if (isAwaited) await done;
        else world.asides.push(done.catch((error: unknown) => ({ error })));
      }
      for (const outcome of await Promise.all(world.asides.splice(0))) {
        if (outcome) throw (outcome as { error: unknown }).error;
      }
      await settle(world);
    },
    async stop() {
      await Promise.all(world.processes.map((each) => each.stop()));
    },
  };
}
