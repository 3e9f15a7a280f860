/**
 * Whether a history could come from one register per key on which each operation takes effect at one moment between its
 * request and its answer (Herlihy & Wing, Linearizability, 1990).
 *
 * A history is linearizable when its keys are, each for itself (Herlihy & Wing's locality; Horn & Kroening, Faster
 * Linearizability Checking via P-Compositionality, 2015). What was refused has had no effect and is left out. A write of
 * unknown outcome may take effect at any time after it was sent, or never; a read of unknown outcome has seen nothing.
 */
import { formatWhole } from '#base/values/numbers';
import type { Check } from '../report/result.ts';
import type { History, Operation } from './history.ts';
import { type Budget, searchOrder } from './search.ts';
import { type Smallest, shrink } from './shrink.ts';

export interface LinearizabilityOptions {
  /** Writes placed or tried, over all keys: what the check may cost in time. About 1 µs each. */
  stepsMax: number;
  /** That the search of one key may remember, roughly. */
  bytesMax: number;
  /** So many keys that are not linearizable are shown. */
  violationsMax: number;
}

const DEFAULTS: LinearizabilityOptions = { stepsMax: 10_000_000, bytesMax: 268_435_456, violationsMax: 3 };
/** To make a violation readable, beside what it cost to find. */
const SHRINK_STEPS_MAX = 2_000_000;
const VALUE_LENGTH_MAX = 60;

/** A key that is no register. */
export interface Violation extends Smallest {
  key: string;
}

export interface Linearizability {
  /** `undecided`: no key is known to be at fault, but the search of some was given up. Never a pass. */
  outcome: 'linearizable' | 'violated' | 'undecided';
  keys: number;
  operations: number;
  /** What it took, as `stepsMax` counts. */
  steps: number;
  /** The first few of `violated`. */
  violations: readonly Violation[];
  /** Keys that are not linearizable. */
  violated: number;
  /** Keys whose search was given up, and the bound that it met. */
  undecided: readonly { key: string; bound: 'stepsMax' | 'bytesMax' }[];
}

/** @param history whose keys all hold nothing when it begins */
export function checkLinearizability(
  { operations }: History,
  options: Partial<LinearizabilityOptions> = {},
): Linearizability {
  const { stepsMax, bytesMax, violationsMax } = { ...DEFAULTS, ...options };
  const budget: Budget = { steps: stepsMax, bytesMax };
  const byKey = Map.groupBy(operations, ({ key }) => key);
  const violations: Violation[] = [];
  const undecided: { key: string; bound: 'stepsMax' | 'bytesMax' }[] = [];
  let violated = 0;
  for (const [key, ofKey] of byKey) {
    const search = searchOrder(ofKey, budget);
    if (search === 'found') continue;
    if (search !== 'none') {
      undecided.push({ key, bound: search === 'steps' ? 'stepsMax' : 'bytesMax' });
      continue;
    }
    violated += 1;
    if (violations.length < violationsMax) {
      violations.push({ key, ...shrink(ofKey, { steps: Math.min(stepsMax, SHRINK_STEPS_MAX), bytesMax }) });
    }
  }
  const outcome = violated > 0 ? 'violated' : undecided.length > 0 ? 'undecided' : 'linearizable';
  const steps = stepsMax - budget.steps;
  return { outcome, keys: byKey.size, operations: operations.length, steps, violations, violated, undecided };
}

/** `#12 write "a", acknowledged, 1,020–1,034 ms`. */
export function describeOperation({ id, action, outcome, sentMs, endedMs }: Operation): string {
  const value = action.value === undefined ? 'nothing' : JSON.stringify(action.value);
  const short = value.length > VALUE_LENGTH_MAX ? `${value.slice(0, VALUE_LENGTH_MAX - 1)}…` : value;
  const when =
    endedMs === undefined
      ? `from ${formatWhole(sentMs)} ms`
      : `${formatWhole(sentMs)}–${formatWhole(endedMs)} ms`;
  return `#${id} ${action.kind} ${short}${outcome === 'ok' ? '' : `, outcome ${outcome}`}, ${when}`;
}

function describeViolation({ key, culprit, answeredBefore, operations }: Violation): string {
  const before =
    answeredBefore === undefined
      ? 'no order explains these answers'
      : `${formatWhole(answeredBefore)} answers have an order, the next one has no place in it`;
  return [
    `${JSON.stringify(key)}: ${before}`,
    ...operations.map(
      (operation) => `  ${describeOperation(operation)}${operation.id === culprit.id ? '  <- no place' : ''}`,
    ),
  ].join('\n');
}

/** In words, a line for each fact. */
export function describeLinearizability(found: Linearizability): string {
  const { keys, operations, violations, violated, undecided } = found;
  const lines = [`${formatWhole(operations)} operations on ${formatWhole(keys)} keys`];
  if (violated > 0) lines.push(`${formatWhole(violated)} of the keys are not linearizable`);
  lines.push(...violations.map(describeViolation));
  const [given] = undecided;
  if (given) {
    lines.push(
      `the search was given up for ${formatWhole(undecided.length)} of the keys, such as ${JSON.stringify(given.key)}: ${given.bound} reached`,
    );
  }
  return lines.join('\n');
}

/** The check of a drill: passes only where an order was found for every key. */
export function linearizable(history: History, options: Partial<LinearizabilityOptions> = {}): Check {
  const found = checkLinearizability(history, options);
  return {
    claim: 'every key is one register: reads and writes take effect in one order that fits their times',
    passed: found.outcome === 'linearizable',
    detail: describeLinearizability(found),
  };
}
