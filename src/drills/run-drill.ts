/**
 * Runs one scenario: starts its topology, warms it up, loads it, breaks and heals it, waits until all is quiet, checks,
 * and leaves nothing behind.
 */
import { type Clock, sleep } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { type Random, seededRandom } from '#base/random';
import { createLoad, type MachineWatch, watchMachine } from '#blocks/load';
import { lookBefore } from './before.ts';
import { disturbancesOf } from './disturbances.ts';
import { type DrilledSystem, loadDrilled, optionsOf } from './drilled-systems.ts';
import { countFound } from './effects.ts';
import { drillErrors } from './errors.ts';
import { findRate } from './find-rate.ts';
import { NOTHING_BEFORE } from './found-before.ts';
import { attachTo, type RunningInstallation } from './installation/attached.ts';
import { createClient } from './installation/client.ts';
import { createTopology, type SystemTopologyPlan, type Topology } from './installation/topology.ts';
import { checksOf, countRequests, type RequestCounts, recoveredMsOf } from './judge.ts';
import type { History } from './linearizability/history.ts';
import { type Attempt, historyOf } from './load/attempt.ts';
import { prepareSystems } from './prepare-systems.ts';
import { observe } from './read-back.ts';
import type { DrillResult, Mark } from './report/result.ts';
import { faultWindows, sliceMsFor, slicesOf } from './report/timeline.ts';
import type { Evidence, Scenario, Stage } from './scenario.ts';
import { waitUntil } from './wait.ts';
import { createWorkload, type Workload } from './workload.ts';

export interface DrillOptions {
  seed: number;
  seconds: number;
  /** Undefined: a share of what the machine holds, found before anything is broken. */
  ratePerS: number | undefined;
  /** The command that runs the same again, at a rate that was found or given. */
  again: (ratePerS: number) => string;
  /** As in the option `systems`, with absolute paths: those of its own servers. Not of those that run already. */
  systems: readonly string[];
  /** Breaks this one, rather than servers of its own. */
  at?: RunningInstallation | undefined;
}

export interface DrillDeps {
  clock: Clock;
  /** For keys of the servers, which no seed should give. */
  random: Random;
  signal: AbortSignal;
  command: readonly [string, ...string[]];
  env: Readonly<Record<string, string>>;
  watch: DrillWatch;
}

export interface Drilled {
  result: DrillResult;
  history: History;
  /** Of the load, by route. */
  requests: RequestCounts;
}

/** Whoever looks on while a drill runs. */
export interface DrillWatch {
  phase(text: string): void;
  /** The load begins: times from here on count from now. */
  loadBegins(durationMs: number): void;
  mark(mark: Mark): void;
  attempt(attempt: Attempt, atMs: number): void;
}

/**
 * For such a share of their time requests may have to wait for a connection; more are given up, and count as failed: with all
 * of it, none that has waited could still be answered in time, and an overload would never end.
 */
const PENDING_SHARE = 0.5;
const LATE_CODES = new Set(['drill_not_started', 'drill_not_quiet']);
const WARM_ITEMS = 100;
const WARM_AT_ONCE = 8;
/** To be seen once all has healed. */
const AFTERWARDS_MS = 4000;
/** What a fault may take on top of the load, to heal and be waited for. */
const OVERTIME_MS = 60_000;

async function warmUp(topology: Topology, workload: Workload, deps: DrillDeps): Promise<void> {
  const client = createClient(topology.origin, topology.rootKey, deps);
  let left = WARM_ITEMS;
  async function create(): Promise<void> {
    while (left-- > 0) {
      const answer = await client.send(workload.create());
      workload.answered(answer);
      if ((answer.status ?? 500) < 300) continue;
      throw drillErrors.drill_not_started({
        detail: `the first items could not be made: ${answer.status ?? answer.problem} ${answer.body ?? ''}`,
      });
    }
  }
  await Promise.all(Array.from({ length: WARM_AT_ONCE }, create));
}

function createStage(
  topology: Topology,
  {
    workload,
    random,
    marks,
    notes,
    zeroMs,
    seconds,
  }: Pick<Loaded, 'marks' | 'notes' | 'zeroMs'> & { workload: Workload; random: Random; seconds: number },
  { clock, signal, watch }: DrillDeps,
): Stage {
  return {
    ...{ topology, seconds, clock, random, signal },
    mark(kind, text) {
      const mark = { atMs: clock.monotonicMs() - zeroMs, kind, text };
      marks.push(mark);
      watch.mark(mark);
    },
    wait: (delayMs) => sleep(clock, delayMs, signal),
    until: (what, condition, boundMs) =>
      waitUntil(what, condition, {
        clock,
        signal,
        boundMs,
        late: (detail) => drillErrors.drill_not_quiet({ detail }),
      }),
    answers: (code) => workload.attempts.filter((attempt) => attempt.code === code).length,
    failures: () => workload.attempts.filter(({ isFailure }) => isFailure).length,
    note: (name, value) => void notes.set(name, value),
  };
}

interface Loaded {
  zeroMs: number;
  /** As long as asked for, or longer where it took longer to heal. */
  durationMs: number;
  loaded: Attempt[];
  marks: Mark[];
  notes: Map<string, number>;
}

/** The load, and the scenario in the middle of it. One load, so that requests are due at every moment until it ends. */
async function loadAndBreak(
  scenario: Scenario,
  options: DrillOptions & { ratePerS: number },
  { topology, workload }: { topology: Topology; workload: Workload },
  deps: DrillDeps,
): Promise<Loaded> {
  const { clock, watch } = deps;
  const { seed, seconds, ratePerS } = options;
  const marks: Mark[] = [];
  const notes = new Map<string, number>();
  const before = workload.attempts.length;
  const [calledOff, enough] = [new AbortController(), new AbortController()];
  const signal = AbortSignal.any([deps.signal, calledOff.signal]);
  const zeroMs = clock.monotonicMs();
  const sinceZeroMs = () => clock.monotonicMs() - zeroMs;
  watch.loadBegins(seconds * 1000);
  const stage = createStage(
    topology,
    { workload, random: seededRandom(seed - 1), marks, notes, zeroMs, seconds },
    { ...deps, signal },
  );
  const limit = clock.after(seconds * 1000 + OVERTIME_MS, () =>
    calledOff.abort(drillErrors.drill_not_quiet({ detail: 'what was broken did not heal in time' })),
  );
  /** @returns for how long the load went on */
  async function breakAndWatch(): Promise<number> {
    await scenario.run(stage);
    limit.cancel();
    await sleep(clock, Math.max(seconds * 1000 - sinceZeroMs(), AFTERWARDS_MS), signal);
    enough.abort();
    return sinceZeroMs();
  }
  const broken = breakAndWatch();
  broken.catch((error: unknown) => calledOff.abort(error));
  const load = createLoad(
    {
      origin: topology.origin,
      connections: scenario.connections,
      ratePerS,
      arrivals: 'poisson',
      durationMs: seconds * 1000 + OVERTIME_MS + AFTERWARDS_MS,
      pendingMax: Math.ceil((ratePerS * scenario.timeoutMs * PENDING_SHARE) / 1000),
      timeoutMs: scenario.timeoutMs,
    },
    {
      clock,
      random: seededRandom(seed + 1),
      next: workload.next,
      onAnswer(answer) {
        workload.answered(answer);
        const attempt = workload.attempts.at(-1);
        if (attempt) watch.attempt(attempt, attempt.intendedMs - zeroMs);
      },
    },
  );
  try {
    await load.run(signal, enough.signal);
    const durationMs = await broken;
    return { zeroMs, durationMs, marks, notes, loaded: workload.attempts.slice(before) };
  } finally {
    limit.cancel();
    calledOff.abort(new Error('the load has ended'));
    await broken.catch(() => {});
  }
}

/** The rate that was given, or one that is found. @throws drill_machine_busy */
async function chooseRate(
  scenario: Scenario,
  { ratePerS, seed }: DrillOptions,
  loaded: { topology: Topology; workload: Workload },
  deps: DrillDeps,
): Promise<{ ratePerS: number; heldPerS: number | undefined }> {
  if (ratePerS !== undefined) return { ratePerS, heldPerS: undefined };
  deps.watch.phase('finding the rate');
  const { topology, workload } = loaded;
  const found = await findRate({ scenario, seed }, { origin: topology.origin, workload }, deps);
  deps.watch.phase(
    `drilling at ${found.ratePerS} requests/s: ${Math.round(found.heldPerS)} were answered in time`,
  );
  return found;
}

async function drill(
  scenario: Scenario,
  options: DrillOptions,
  { topology, systems, machine }: { topology: Topology; systems: DrilledSystem[]; machine: MachineWatch },
  deps: DrillDeps,
): Promise<Drilled> {
  const { clock, watch } = deps;
  const { seed, again } = options;
  const startedAt = new Date(clock.nowMs()).toISOString();
  const workload = createWorkload(
    {
      ...{ seed, systems, emphasis: scenario.emphasis ?? {}, rootKey: topology.rootKey },
      run: deps.random.bytes(9).toString('base64url'),
    },
    { clock, random: seededRandom(seed) },
  );
  watch.phase('starting');
  await topology.start();
  const described = topology.describe();
  const before = options.at ? await lookBefore(topology, systems, deps) : NOTHING_BEFORE;
  watch.phase('warming up');
  await prepareSystems(topology, systems, deps);
  await warmUp(topology, workload, deps);
  const { ratePerS, heldPerS } = await chooseRate(scenario, options, { topology, workload }, deps);
  watch.phase('under load');
  machine.report();
  const load = await loadAndBreak(scenario, { ...options, ratePerS }, { topology, workload }, deps);
  const meanwhile = machine.report();
  watch.phase('waiting until all is quiet');
  const { reads, ...readBack } = await observe(
    topology,
    { systems, workload, before },
    { ...deps, random: seededRandom(seed + 3) },
  );
  watch.phase(options.at ? 'waiting until all runs as before' : 'stopping');
  const leftovers = await topology.stop();
  watch.phase('checking');
  const { zeroMs, durationMs, marks, loaded } = load;
  const windows = faultWindows(loaded, marks, { zeroMs, durationMs });
  const attempts = [...workload.attempts, ...reads];
  const { items } = workload;
  const isOwn = options.at === undefined;
  const evidence: Evidence = { ...readBack, ...load, isOwn, items, attempts, windows, leftovers };
  const sliceMs = sliceMsFor(durationMs);
  const founds = [...countFound(evidence).values()];
  const total = (of: 'acknowledged' | 'found') => founds.reduce((sum, each) => sum + each[of], 0);
  const result = {
    ...{ drill: scenario.name, summary: scenario.summary, seed, startedAt, durationMs, topology: described },
    ...{ ratePerS, heldPerS, sliceMs, slices: slicesOf(loaded, { zeroMs, durationMs, sliceMs }), marks },
    ...{ machine: meanwhile, disturbances: disturbancesOf(meanwhile, loaded) },
    generatorLate: loaded.filter(({ fate }) => fate === 'generator_late').length,
    ...{ acknowledged: total('acknowledged'), found: total('found'), recoveredMs: recoveredMsOf(windows) },
    checks: checksOf(scenario, topology, evidence),
    again: again(ratePerS),
  };
  return { result, history: historyOf(attempts, zeroMs), requests: countRequests(loaded) };
}

/** What took too long may have done so for want of a machine: then it says so, and nothing of the product. */
function blame(error: unknown, machine: MachineWatch): unknown {
  const isLate = isLoadstoneError(error) && LATE_CODES.has(error.code);
  if (!isLate) return error;
  const [found] = disturbancesOf(machine.report(), []);
  if (found === undefined) return error;
  return drillErrors.drill_machine_busy({ detail: found.text, cause: error });
}

/** Its servers, with the systems and the options that these have for drills. */
async function planOf(scenario: Scenario, wanted: readonly string[]): Promise<SystemTopologyPlan> {
  const systems = [...wanted, ...(scenario.systems ?? [])];
  const own = optionsOf(await loadDrilled(systems, process.cwd()));
  return { ...scenario.topology, systems, configuration: { ...own, ...scenario.topology.configuration } };
}

/**
 * Whatever happens, no process and no file of the drill is left when this has settled, and an installation that was there
 * before goes on.
 * @throws drill_not_started, drill_not_quiet, drill_impossible_here, drill_refused, drill_needs_more, drill_machine_busy, the
 * signal's reason
 */
export async function runDrill(scenario: Scenario, options: DrillOptions, deps: DrillDeps): Promise<Drilled> {
  const { at } = options;
  const topology = at
    ? await attachTo(scenario, at, deps)
    : await createTopology(await planOf(scenario, options.systems), deps);
  const machine = watchMachine({ roots: topology.roots }, deps);
  try {
    const systems = await loadDrilled(topology.systems, topology.directory, topology.ages);
    return await drill(scenario, options, { topology, systems, machine }, deps);
  } catch (error) {
    deps.signal.throwIfAborted();
    throw blame(error, machine);
  } finally {
    machine.stop();
    await topology.dispose();
  }
}
