/**
 * A scenario: what is started, what its clients do, what is broken and healed while they do it, and what must hold.
 */
import type { Clock } from '#base/clock';
import type { Random } from '#base/random';
import type { Verification } from '#blocks/projection';
import type { StoredJob } from '#blocks/queue';
import type { DrilledSystem } from './drilled-systems.ts';
import type { Topology, TopologyPlan } from './installation/topology.ts';
import type { Attempt } from './load/attempt.ts';
import type { Item } from './load/planned.ts';
import type { Check, Mark } from './report/result.ts';
import type { FaultWindow } from './report/timeline.ts';
import type { Emphasis } from './workload.ts';

/** What the steps of a scenario act on. */
export interface Stage {
  readonly topology: Topology;
  /** Of the load. */
  readonly seconds: number;
  readonly clock: Clock;
  /** Picks the victim. */
  readonly random: Random;
  /** Aborts when the drill is called off. */
  readonly signal: AbortSignal;
  mark(kind: Mark['kind'], text: string): void;
  wait(delayMs: number): Promise<void>;
  /** @throws drill_not_quiet when it takes longer */
  until(what: string, condition: () => boolean | Promise<boolean>, boundMs: number): Promise<void>;
  /** How many answers of the load had this code so far. */
  answers(code: string): number;
  /** How many requests have failed so far. */
  failures(): number;
  /** A note for the checks of the scenario. */
  note(name: string, value: number): void;
}

/** What is there of a system once all is quiet. What it does not let read back is empty. */
export interface Seen {
  readonly system: DrilledSystem;
  /** What each item that is new holds, by its id, as the list of the API says. */
  readonly listed: ReadonlyMap<string, string>;
  /** What those held that were there before the drill. */
  readonly before: ReadonlyMap<string, string>;
  /** What they hold now. */
  readonly kept: ReadonlyMap<string, string>;
  /** Items of the sample that the API did not give one by one, or gave otherwise. */
  readonly unreadable: readonly string[];
  /** Its own, of all items, new or not. */
  readonly figures: Readonly<Record<string, number>>;
  /** Types of the events of each new item, by its id, in their order. */
  readonly events: ReadonlyMap<string, readonly string[]>;
}

/** What is known once the load has ended and all is quiet. */
export interface Evidence {
  readonly items: readonly Item[];
  /** Of the load, and of what was read and settled before and after it. */
  readonly attempts: readonly Attempt[];
  /** Of the load alone. */
  readonly loaded: readonly Attempt[];
  readonly zeroMs: number;
  readonly durationMs: number;
  readonly windows: readonly FaultWindow[];
  /** Whether the servers are the drill's own: nothing was there before. */
  readonly isOwn: boolean;
  /** What is there of each system, by its name. */
  readonly seen: ReadonlyMap<string, Seen>;
  /** How many new jobs of each queue are in each state. */
  readonly jobs: ReadonlyMap<string, ReadonlyMap<StoredJob['state'], number>>;
  readonly verifications: readonly Verification[];
  readonly notes: ReadonlyMap<string, number>;
  /** What was left running when all had been stopped; of an installation that goes on, what does not go on as before. */
  readonly leftovers: readonly string[];
}

export interface Bounds {
  /** Of the requests from a fault to recovery, so large a share may fail; outside of it none may. */
  failedShareMax: number;
  /** From the end of each fault to the first second without a failure. */
  recoverMsMax: number;
}

/**
 * What a test installation must have so that the scenario can be played on it: processes that serve, standbys. Or, where
 * that is not enough, what it takes that only servers started for it have.
 */
export type Needs = { processes: number; standbys: number } | { own: string };

export interface Scenario {
  name: string;
  /** One sentence: what is broken, and what must hold. */
  summary: string;
  topology: TopologyPlan;
  needs: Needs;
  /** What its load needs more of than the systems say. */
  emphasis?: Emphasis;
  /** Paths of systems that it needs beside those that are drilled. */
  systems?: readonly string[];
  seconds: number;
  /** So little time is enough to break, heal and recover. */
  secondsMin: number;
  /** The most, where none is asked for: it is less on a machine that holds less. */
  ratePerS: number;
  /** At a lower rate it shows nothing; by default RATE_PER_S_MIN. */
  ratePerSMin?: number;
  /** Of the load; each has one request under way. */
  connections: number;
  /** A request that has no answer after this counts as lost. */
  timeoutMs: number;
  bounds: Bounds;
  /** Breaks and heals, while the load runs. */
  run(stage: Stage): Promise<void>;
  /** What must hold beyond what must hold always. */
  checks?(evidence: Evidence): Check[];
}
