/**
 * Uniqueness and order under clocks that disagree and step, lost and late answers, frozen and crashed
 * processes. What is checked is stronger than different ids: no (worker, timeMs, sequence) is ever issued
 * twice.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { createManualClock, type ManualClock } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { silentLog } from '#base/log';
import { seededRandom } from '#base/random';
import { AHEAD_MS_MAX, createIds, type Ids } from './ids.ts';
import { type IdParts, parseId } from './layout.ts';
import type { WorkerLeaseStore } from './store.ts';
import { createMemoryWorkerLeases } from './stores/memory.ts';

const WORKERS = 3;
/** One more than can hold a worker at once. */
const MACHINES = 4;
const LEASE_MS = 30_000;
const START_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
/** Later than any history gets: each step moves a clock by an hour at most. */
const HEALED_MS = START_MS + 1000 * HOUR_MS;
const REFUSALS = new Set(['worker_lease_lost', 'ids_ahead_of_clock', 'stopped']);

const never = new AbortController().signal;

/**
 * `fail`: not carried out. `lost`: carried out, but the caller is not told. `late`: carried out when
 * delivered.
 */
type Fate = 'fail' | 'lost' | 'late';

type Step =
  | { kind: 'issue'; machine: number; bucket: number; count: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'clock'; machine: number; ms: number }
  | { kind: 'freeze'; machine: number; ms: number }
  | { kind: 'crash'; machine: number }
  | { kind: 'restart'; machine: number }
  | { kind: 'fates'; fates: Fate[] }
  | { kind: 'deliver'; newest: boolean };

interface Process {
  ids: Ids;
  /** Closed by a crash: nothing that it sends arrives any more. */
  connection: { open: boolean };
  last: IdParts | undefined;
  /** The last id of each bucket. */
  lastOf: Map<number, bigint>;
}

interface Machine {
  clock: ManualClock;
  process: Process;
}

// Few and round, so that different clocks often show the same millisecond.
const stepMs = fc.constantFrom(-HOUR_MS, -40_000, -35_000, -5000, -500, 500, 5000, 35_000, 40_000, HOUR_MS);
const passMs = fc.constantFrom(0, 500, 5000, 10_000, 15_000);
const skewMs = fc.constantFrom(-60_000, -35_000, -5000, 0, 0, 500, 5000, 40_000);
const machine = fc.nat(MACHINES - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('issue' as const),
      machine,
      bucket: fc.nat(1),
      count: fc.integer({ min: 1, max: 70 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: passMs }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('clock' as const),
      machine,
      ms: stepMs,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('freeze' as const),
      machine,
      ms: fc.constantFrom(5000, 35_000, 90_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), machine }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const), machine }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('fates' as const),
      fates: fc.array(fc.constantFrom<Fate>('fail', 'lost', 'late'), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('deliver' as const), newest: fc.boolean() }) },
);

/** The path to the store: it loses and delays calls as told. */
function createNetwork(store: WorkerLeaseStore) {
  let fates: Fate[] = [];
  const late: (() => void)[] = [];

  async function carry<T>(connection: { open: boolean }, call: () => Promise<T>): Promise<T> {
    if (!connection.open) throw new Error('the process has crashed');
    const fate = fates.shift();
    if (fate === 'fail') throw new Error('the call was lost');
    if (fate === 'late') await new Promise<void>((resolve) => late.push(resolve));
    const result = await call();
    if (fate === 'lost') throw new Error('the answer was lost');
    return result;
  }
  return {
    plan(more: Fate[]): void {
      fates = more;
    },
    deliver(newest: boolean): void {
      (newest ? late.pop() : late.shift())?.();
    },
    pending: () => late.length,
    connect: (connection: { open: boolean }): WorkerLeaseStore => ({
      take: (request) => carry(connection, () => store.take(request)),
      renew: (...args) => carry(connection, () => store.renew(...args)),
      release: (...args) => carry(connection, () => store.release(...args)),
    }),
  };
}

/** Sees every id that is issued. */
function createWitness() {
  const issued = new Set<string>();
  return ({ clock, process }: Machine, id: string): void => {
    const parts = parseId(id);
    const { timeMs, sequence, worker, bucket } = parts;
    const triple = `${worker} ${timeMs} ${sequence}`;
    assert(!issued.has(triple), `issued twice: ${triple}`);
    issued.add(triple);
    assert(timeMs <= clock.nowMs() + AHEAD_MS_MAX, 'too far ahead of the clock');
    const { last } = process;
    const grown = !last || timeMs > last.timeMs || (timeMs === last.timeMs && sequence > last.sequence);
    if (!grown && worker !== last.worker && last.timeMs > clock.nowMs() + AHEAD_MS_MAX)
      process.lastOf.clear();
    else assert(grown, '(timeMs, sequence) did not grow');
    assert(BigInt(id) > (process.lastOf.get(bucket) ?? 0n), 'the ids of a bucket did not grow');
    process.last = parts;
    process.lastOf.set(bucket, BigInt(id));
  };
}

function createWorld(store: WorkerLeaseStore, skewsMs: number[]) {
  const network = createNetwork(store);
  const witness = createWitness();
  let seed = 0;

  function startProcess(clock: ManualClock): Process {
    const connection = { open: true };
    const deps = { clock, random: seededRandom(seed++), log: silentLog, store: network.connect(connection) };
    const ids = createIds({ leaseMs: LEASE_MS }, deps);
    ids.start(never).catch(() => {});
    return { ids, connection, last: undefined, lastOf: new Map() };
  }

  const machines: Machine[] = skewsMs.map((skewMs) => {
    const clock = createManualClock(START_MS + skewMs);
    return { clock, process: startProcess(clock) };
  });

  return {
    machines,
    network,
    pass(ms: number): void {
      for (const { clock } of machines) clock.advance(ms);
    },
    /** Time passes, but the machine's timers do not run. */
    freeze(machine: Machine, ms: number): void {
      for (const other of machines) {
        if (other === machine) other.clock.step(ms);
        else other.clock.advance(ms);
      }
    },
    crash(machine: Machine): void {
      machine.process.connection.open = false;
      machine.process = startProcess(machine.clock);
    },
    restart(machine: Machine): void {
      void machine.process.ids.stop(never);
      machine.process = startProcess(machine.clock);
    },
    /** Whether all were issued. */
    issue(machine: Machine, bucket: number, count: number): boolean {
      for (let i = 0; i < count; i++) {
        let id: string;
        try {
          id = machine.process.ids.next(bucket);
        } catch (error) {
          assert(isLoadstoneError(error) && REFUSALS.has(error.code), String(error));
          return false;
        }
        witness(machine, id);
      }
      return true;
    },
  };
}

type World = ReturnType<typeof createWorld>;

function perform(world: World, step: Step): void {
  const machine = world.machines['machine' in step ? step.machine : 0]!;
  switch (step.kind) {
    case 'issue':
      world.issue(machine, step.bucket, step.count);
      break;
    case 'pass':
      world.pass(step.ms);
      break;
    case 'clock':
      machine.clock.step(step.ms);
      break;
    case 'freeze':
      world.freeze(machine, step.ms);
      break;
    case 'crash':
      world.crash(machine);
      break;
    case 'restart':
      world.restart(machine);
      break;
    case 'fates':
      world.network.plan(step.fates);
      break;
    case 'deliver':
      world.network.deliver(step.newest);
      break;
  }
}

async function run(store: WorkerLeaseStore, skewsMs: number[], steps: Step[]): Promise<void> {
  const world = createWorld(store, skewsMs);
  await turn();
  for (const step of steps) {
    perform(world, step);
    await turn();
  }
  await heal(world);
}

/**
 * When the network works, the clocks agree and there are workers enough, every process issues again by
 * itself.
 */
async function heal(world: World): Promise<void> {
  const { machines, network } = world;
  network.plan([]);
  while (network.pending() > 0) {
    network.deliver(false);
    await turn();
  }
  machines.pop()!.process.connection.open = false;
  for (const { clock } of machines) clock.step(HEALED_MS - clock.nowMs());
  // A process whose start failed has ended.
  for (const machine of machines) {
    const { ids, last } = machine.process;
    if (ids.health().status === 'failing' && !last) world.crash(machine);
  }
  for (let i = 0; i < 12; i++) {
    await turn();
    world.pass(1000);
  }
  await turn();
  for (const machine of machines) {
    assert(world.issue(machine, 0, 1), JSON.stringify(machine.process.ids.health()));
  }
}

const skews = fc.array(skewMs, { minLength: MACHINES, maxLength: MACHINES });
const steps = fc.array(step, { minLength: 10, maxLength: 80 });
const history = (makeStore: () => WorkerLeaseStore) =>
  fc.asyncProperty(skews, steps, (skewsMs, steps) => run(makeStore(), skewsMs, steps));

test('no two processes issue the same, and each in order, whatever happens', async () => {
  await fc.assert(
    history(() => createMemoryWorkerLeases(WORKERS)),
    { numRuns: 500 },
  );
});

/** The simulation is worth something only if it finds stores that break the port's promises. */
const broken: Record<string, (store: WorkerLeaseStore) => WorkerLeaseStore> = {
  'forgets where the last range ended': (store) => ({
    ...store,
    take: async (request) => {
      const taken = await store.take(request);
      return taken && { ...taken, floorMs: 0 };
    },
  }),
  'renews for those who have been followed': (store) => ({
    ...store,
    renew: async (...args) => {
      await store.renew(...args);
      return true;
    },
  }),
  'ends a released range too early': (store) => ({
    ...store,
    release: (worker, epoch, highMs) => store.release(worker, epoch, highMs - 2000),
  }),
};

for (const [fault, breakIt] of Object.entries(broken)) {
  test(`the simulation finds a store that ${fault}`, async () => {
    const found = await fc.check(
      history(() => breakIt(createMemoryWorkerLeases(WORKERS))),
      { numRuns: 5000, endOnFailure: true, seed: 1 },
    );
    assert.match(String(found.errorInstance), /issued twice/);
  });
}
