/**
 * What drills promise of every system: what was acknowledged is there, once, in rows, log and jobs, and reads fit into an
 * order with it. Pure, and each check for itself.
 */
import type { DrillEvents } from '#blocks/system';
import { checkOf, count, impossibleIn, possible } from './checks.ts';
import { linearizable } from './linearizability/linearizability.ts';
import { historyOf, joinAttempts } from './load/attempt.ts';
import type { Item } from './load/planned.ts';
import type { Check } from './report/result.ts';
import type { Evidence, Seen } from './scenario.ts';
import { idOf } from './workload.ts';

interface Count {
  acknowledged: number;
  attempted: number;
}

/** What was written, and acknowledged, to each item. */
interface Writes {
  created: boolean;
  changes: Count;
  removals: Count;
}

/** By the item's key. */
function writesOf({ attempts }: Evidence): Map<string, Writes> {
  const writes = new Map<string, Writes>();
  for (const { planned, outcome } of attempts) {
    const { item, operation } = planned;
    if (item === undefined) continue;
    const of: Writes = writes.get(item.key) ?? {
      created: false,
      changes: { acknowledged: 0, attempted: 0 },
      removals: { acknowledged: 0, attempted: 0 },
    };
    writes.set(item.key, of);
    if (operation.effect === 'create') of.created ||= outcome === 'ok';
    const counted = { change: of.changes, remove: of.removals, create: undefined, read: undefined };
    const [effect, isOpen] = [operation.effect, outcome !== 'refused'];
    const one = effect === 'look' || effect === 'work' ? undefined : counted[effect];
    if (one === undefined || !isOpen) continue;
    one.attempted += 1;
    if (outcome === 'ok') one.acknowledged += 1;
  }
  return writes;
}

interface Found {
  acknowledged: number;
  found: number;
  lost: string[];
}

const occurrences = (types: readonly string[], type: string) => types.filter((each) => each === type).length;

/** What the list and the log show of an item's acknowledged writes. */
function findWrites(
  item: Item,
  { created, changes, removals }: Writes,
  { system, listed, events }: Seen,
): Found {
  const whole: Found = { acknowledged: 0, found: 0, lost: [] };
  const id = idOf(item);
  const types = events.get(id) ?? [];
  const told: Partial<DrillEvents> = system.drill.events ?? {};
  const expect = (what: string, acknowledged: number, there: number) => {
    whole.acknowledged += acknowledged;
    whole.found += Math.min(acknowledged, there);
    if (there < acknowledged)
      whole.lost.push(`${item.key} (id ${id}): ${acknowledged} ${what} acknowledged, ${there} found`);
  };
  const isThere = listed.has(id) || removals.attempted > 0;
  const isTold = told.created === undefined || types[0] === told.created;
  expect('creation', created ? 1 : 0, isThere && isTold ? 1 : 0);
  // Without a log the last reads alone show which change it was.
  if (told.changed !== undefined) expect('changes', changes.acknowledged, occurrences(types, told.changed));
  const isGone = !listed.has(id) && (told.removed === undefined || types.at(-1) === told.removed);
  expect('deletion', Math.min(1, removals.acknowledged), isGone ? 1 : 0);
  return whole;
}

/** Acknowledged writes of each system, and how many of them are there. */
export function countFound(evidence: Evidence): Map<string, Found> {
  const writes = writesOf(evidence);
  const all = new Map<string, Found>();
  for (const seen of evidence.seen.values()) {
    const whole: Found = { acknowledged: 0, found: 0, lost: [] };
    for (const item of evidence.items) {
      const of = writes.get(item.key);
      if (of === undefined || item.system.name !== seen.system.name || !seen.system.drill.readBack) continue;
      const { acknowledged, found, lost } = findWrites(item, of, seen);
      whole.acknowledged += acknowledged;
      whole.found += found;
      whole.lost.push(...lost);
    }
    all.set(seen.system.name, whole);
  }
  return all;
}

/** Of several systems each has its figures named. */
function named(figures: readonly (readonly [system: string, text: string])[]): string {
  if (figures.length === 1) return figures[0]?.[1] ?? '';
  return figures.map(([system, text]) => `${system}: ${text}`).join('; ');
}

export function nothingLost(evidence: Evidence): Check {
  const all = [...countFound(evidence)];
  const lost = all.flatMap(([, found]) => found.lost);
  const unreadable = [...evidence.seen.values()].flatMap((seen) => seen.unreadable);
  const figures = all.map(([system, { acknowledged, found }]) => {
    const where = evidence.seen.get(system)?.system.drill.events ? 'rows and log' : 'rows';
    return [system, `${count(acknowledged)} writes acknowledged, ${count(found)} found in ${where}`] as const;
  });
  const impossible = all.flatMap(([, { acknowledged, found }]) =>
    impossibleIn({ acknowledged, found }, [['found', 'acknowledged']]),
  );
  return possible(
    checkOf('nothing acknowledged is lost', named(figures), [...lost, ...unreadable]),
    impossible,
  );
}

/** The events that an item must have had; each write that was not acknowledged may be there or not. */
function problemsWithEvents(item: Item, writes: Writes, { system, events }: Seen): string[] {
  const told = system.drill.events;
  if (told === undefined) return [];
  const id = idOf(item);
  const types = events.get(id) ?? [];
  const { changes, removals } = writes;
  const jobs = item.by.job === undefined ? 0 : 1;
  const ranges = [
    [told.created, 1, 1],
    [told.changed, changes.acknowledged, changes.attempted],
    [told.removed, Math.min(1, removals.acknowledged), Math.min(1, removals.attempted)],
    [told.byJob, jobs, jobs],
  ] as const;
  return ranges.flatMap(([type, min, max]) => {
    if (type === undefined) return [];
    const there = occurrences(types, type);
    if (there >= min && there <= max) return [];
    const expected = min === max ? min : `${min} to ${max}`;
    return [`${item.key} (id ${id}) has ${there} events ${type}, expected ${expected}: ${types.join(', ')}`];
  });
}

export function effectsOnce(evidence: Evidence): Check {
  const writes = writesOf(evidence);
  const problems: string[] = [];
  for (const seen of evidence.seen.values()) {
    const known = new Set<string>();
    for (const item of evidence.items.filter(({ system }) => system.name === seen.system.name)) {
      if (item.ids.size > 1)
        problems.push(
          `the Idempotency-Key of ${item.key} made ${item.ids.size} items: ${[...item.ids].join(', ')}`,
        );
      const of = writes.get(item.key);
      for (const id of item.ids) known.add(id);
      if (of && item.ids.size > 0) problems.push(...problemsWithEvents(item, of, seen));
    }
    for (const id of new Set([...seen.listed.keys(), ...seen.events.keys()])) {
      if (!known.has(id))
        problems.push(`an item of ${seen.system.name} that no answer has told of: id ${id}`);
    }
  }
  const figures = [...evidence.seen.values()].map(({ system, events, listed }) => {
    const all = [...events.values()].flat().length;
    const told = `${count(events.size)} items with ${count(all)} events`;
    return [system.name, system.drill.events ? told : `${count(listed.size)} items`] as const;
  });
  return checkOf(
    'every write has its events once, and an Idempotency-Key makes one item',
    named(figures),
    problems,
  );
}

interface Range {
  min: number;
  max: number;
}

/** How many jobs must be done in each queue. What was acknowledged has left one; what is of unknown outcome may have. */
function jobsWanted({ items, attempts }: Evidence): Map<string, Range> {
  const wanted = new Map<string, Range>();
  const add = (queue: string | undefined, min: number, max: number) => {
    if (queue === undefined) return;
    const range = wanted.get(queue) ?? { min: 0, max: 0 };
    wanted.set(queue, { min: range.min + min, max: range.max + max });
  };
  for (const { by, ids } of items) if (ids.size > 0) add(by.job, 1, 1);
  for (const { planned, outcome } of attempts) {
    const { effect, job } = planned.operation;
    if (effect !== 'create' && outcome !== 'refused') add(job, outcome === 'ok' ? 1 : 0, 1);
  }
  return wanted;
}

/** The queues that the systems of a drill leave jobs in. */
export function queuesOf(systems: readonly Seen['system'][]): string[] {
  const operations = systems.flatMap(({ drill }) => Object.values(drill.operations));
  return [...new Set(operations.flatMap(({ job }) => job ?? []))];
}

export function jobsOnce(evidence: Evidence): Check {
  const wanted = jobsWanted(evidence);
  const systems = [...evidence.seen.values()].map(({ system }) => system);
  const problems: string[] = [];
  const figures: [string, string][] = [];
  const impossible: string[] = [];
  for (const queue of queuesOf(systems)) {
    const { min, max } = wanted.get(queue) ?? { min: 0, max: 0 };
    const jobs = evidence.jobs.get(queue) ?? new Map();
    const states = [...jobs].map(([state, many]) => `${count(many)} ${state}`).join(', ') || 'none';
    figures.push([queue, `jobs: ${states}`]);
    // Replaced is one that a clock ahead has run before its time: it has left another in its place.
    const others = [...jobs.keys()].filter((state) => state !== 'done' && state !== 'replaced');
    const done = jobs.get('done') ?? 0;
    const expected = min === max ? count(min) : `${count(min)} to ${count(max)}`;
    if (done < min || done > max || others.length > 0)
      problems.push(`${queue}: expected ${expected} done, and no other than replaced`);
    impossible.push(...impossibleIn(Object.fromEntries(jobs)));
  }
  const claim = 'every job that was enqueued has run, and is done once';
  return possible(checkOf(claim, named(figures) || 'no system leaves jobs', problems), impossible);
}

export function projectionsEqual({ verifications }: Evidence): Check {
  const problems = verifications
    .filter(({ differencesTotal, parkedKeys }) => differencesTotal + parkedKeys > 0)
    .map(
      ({ name, differencesTotal, parkedKeys }) =>
        `${name}: ${differencesTotal} differences, ${parkedKeys} parked keys`,
    );
  const figures = verifications.map(({ name }) => name).join(', ') || 'no projections';
  const differences = verifications.flatMap(({ name, differencesTotal, parkedKeys }) => [
    [`differences of ${name}`, differencesTotal] as const,
    [`parked keys of ${name}`, parkedKeys] as const,
  ]);
  return possible(
    checkOf('what is derived equals the truth', figures, problems),
    impossibleIn(Object.fromEntries(differences)),
  );
}

/** What each system says must hold of its own figures. */
export function invariantsHold({ seen }: Evidence): Check[] {
  return [...seen.values()].flatMap(({ system, listed, kept, figures }) => {
    const of = { listed: listed.size + kept.size, figures };
    const invariants = system.drill.invariants?.(of) ?? [];
    return invariants.map(({ claim, figures: text, problems }) =>
      possible(checkOf(claim, text, problems), impossibleIn(figures)),
    );
  });
}

/** @param ordered the routes whose answers must fit into one order */
export function strongReads(evidence: Evidence, ordered: ReadonlySet<string>): Check {
  const asked = evidence.attempts.filter(
    ({ planned: { item, operation } }) => item !== undefined && ordered.has(operation.route.id),
  );
  const check = linearizable(historyOf(joinAttempts(asked), evidence.zeroMs));
  return { ...check, detail: `${[...ordered].join(', ')}: ${check.detail}` };
}

/** All of these. @param ordered as of `strongReads` */
export function everyEffect(evidence: Evidence, ordered: ReadonlySet<string>): Check[] {
  return [
    nothingLost(evidence),
    effectsOnce(evidence),
    jobsOnce(evidence),
    strongReads(evidence, ordered),
    projectionsEqual(evidence),
    ...invariantsHold(evidence),
  ];
}

/** Of an installation that was there before the drill, and goes on after it. */
export function goesOn({ leftovers, seen }: Evidence): Check[] {
  const all = [...seen.values()];
  const changed = all.flatMap(({ system, before, kept }) =>
    [...before]
      .filter(([id, value]) => kept.get(id) !== value)
      .map(([id, value]) => `${id} of ${system.name} held ${value}, and holds ${kept.get(id) ?? 'nothing'}`),
  );
  const figures = all.map(({ system, before }) => `${count(before.size)} of ${system.name}`);
  return [
    checkOf('the installation goes on as before', `${leftovers.length} problems`, leftovers),
    checkOf('what was there before is untouched', figures.join(', '), changed),
  ];
}
