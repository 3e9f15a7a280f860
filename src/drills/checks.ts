/**
 * What every drill promises, checked on what is known in the end. Pure, and each for itself.
 */
import { type Attempt, historyOf, joinAttempts } from './attempt.ts';
import { linearizable } from './linearizability.ts';
import type { Check } from './result.ts';
import type { Bounds, Evidence } from './scenario.ts';
import { divide } from './timeline.ts';
import type { DrilledLink } from './workload.ts';

/** Of links, where each with an expiry has one job. */
export const EXPIRY_QUEUE = 'links_expiry';
const SHOWN_MAX = 5;

const count = (value: number) => value.toLocaleString('en-US');

/** A check that fails with its first counter-examples. */
export function checkOf(claim: string, figures: string, counterexamples: readonly string[]): Check {
  const shown = counterexamples.slice(0, SHOWN_MAX);
  const more = counterexamples.length - shown.length;
  const rest = more > 0 ? [`and ${count(more)} more`] : [];
  return { claim, passed: counterexamples.length === 0, detail: [figures, ...shown, ...rest].join('\n') };
}

/** The check, as one that only says that something came late, or not at all. */
export function timed(check: Check, isSo = true): Check {
  return isSo ? { ...check, isTimed: true } : check;
}

/** Pure: the figures that cannot be: fewer than none, no numbers, parts that are more than their whole. */
export function impossibleIn(
  figures: Readonly<Record<string, number>>,
  parts: readonly (readonly [part: string, whole: string])[] = [],
): string[] {
  const wrong = Object.entries(figures).filter(([, value]) => !Number.isSafeInteger(value) || value < 0);
  const larger = parts.filter(([part, whole]) => (figures[part] ?? 0) > (figures[whole] ?? 0));
  return [
    ...wrong.map(([name, value]) => `${name}: ${value}`),
    ...larger.map(([part, whole]) => `${part}: ${figures[part]}, of ${figures[whole]} ${whole}`),
  ];
}

/** A check that is as it is where its figures can be, and otherwise an error of the drill itself. */
export function possible(check: Check, impossible: readonly string[]): Check {
  if (impossible.length === 0) return check;
  const problems = impossible.map((each) => `the drill has counted what cannot be: ${each}`);
  return { ...checkOf(check.claim, check.detail, problems), isImpossible: true };
}

/** What was written, and acknowledged, to each link. */
interface Writes {
  created: boolean;
  changes: { acknowledged: number; attempted: number };
  removals: { acknowledged: number; attempted: number };
}

/** By the link's key. */
function writesOf({ attempts }: Evidence): Map<string, Writes> {
  const writes = new Map<string, Writes>();
  for (const { planned, outcome } of attempts) {
    const { link, route } = planned;
    if (link === undefined) continue;
    const of: Writes = writes.get(link.key) ?? {
      created: false,
      changes: { acknowledged: 0, attempted: 0 },
      removals: { acknowledged: 0, attempted: 0 },
    };
    writes.set(link.key, of);
    if (route === 'createLink') of.created ||= outcome === 'ok';
    const counted = { patchLink: of.changes, deleteLink: of.removals }[route];
    if (counted === undefined || outcome === 'refused') continue;
    counted.attempted += 1;
    if (outcome === 'ok') counted.acknowledged += 1;
  }
  return writes;
}

interface Found {
  acknowledged: number;
  found: number;
  lost: string[];
}

const idOf = ({ ids }: DrilledLink) => [...ids][0] ?? '';
const occurrences = (types: readonly string[], type: string) => types.filter((each) => each === type).length;

/** What the rows and the log show of a link's acknowledged writes. */
function findWrites(link: DrilledLink, { created, changes, removals }: Writes, evidence: Evidence): Found {
  const id = idOf(link);
  const isListed = evidence.listed.has(id);
  const types = evidence.events.get(id) ?? [];
  const lost: string[] = [];
  let found = 0;
  const expect = (what: string, acknowledged: number, there: number) => {
    found += Math.min(acknowledged, there);
    if (there < acknowledged)
      lost.push(`${link.key} (id ${id}): ${acknowledged} ${what} acknowledged, ${there} found`);
  };
  const isThere = isListed || removals.attempted > 0;
  expect('creation', created ? 1 : 0, isThere && types[0] === 'link.created' ? 1 : 0);
  expect('changes', changes.acknowledged, occurrences(types, 'link.changed'));
  const isGone = !isListed && types.at(-1) === 'link.deleted';
  expect('deletion', Math.min(1, removals.acknowledged), isGone ? 1 : 0);
  const acknowledged = (created ? 1 : 0) + changes.acknowledged + Math.min(1, removals.acknowledged);
  return { acknowledged, found, lost };
}

/** Acknowledged writes, and how many of them are there, in rows and in the log. */
export function countFound(evidence: Evidence): Found {
  const writes = writesOf(evidence);
  const whole: Found = { acknowledged: 0, found: 0, lost: [] };
  for (const link of evidence.links) {
    const of = writes.get(link.key);
    if (of === undefined) continue;
    const { acknowledged, found, lost } = findWrites(link, of, evidence);
    whole.acknowledged += acknowledged;
    whole.found += found;
    whole.lost.push(...lost);
  }
  return whole;
}

export function nothingLost(evidence: Evidence): Check {
  const { acknowledged, found, lost } = countFound(evidence);
  const figures = `${count(acknowledged)} writes acknowledged, ${count(found)} found in rows and log`;
  const check = checkOf('nothing acknowledged is lost', figures, [...lost, ...evidence.unreadable]);
  return possible(check, impossibleIn({ acknowledged, found }, [['found', 'acknowledged']]));
}

/** The events that a link must have had; each change that was not acknowledged may be there or not. */
function problemWithEvents(link: DrilledLink, writes: Writes, evidence: Evidence): string[] {
  const id = idOf(link);
  const types = evidence.events.get(id) ?? [];
  const { changes, removals } = writes;
  const ranges = [
    ['link.created', 1, 1],
    ['link.changed', changes.acknowledged, changes.attempted],
    ['link.deleted', removals.acknowledged > 0 ? 1 : 0, Math.min(1, removals.attempted)],
    ['link.expired', link.ttlS === undefined ? 0 : 1, link.ttlS === undefined ? 0 : 1],
  ] as const;
  return ranges.flatMap(([type, min, max]) => {
    const there = occurrences(types, type);
    if (there >= min && there <= max) return [];
    const expected = min === max ? min : `${min} to ${max}`;
    return [`${link.key} (id ${id}) has ${there} events ${type}, expected ${expected}: ${types.join(', ')}`];
  });
}

export function effectsOnce(evidence: Evidence): Check {
  const writes = writesOf(evidence);
  const problems: string[] = [];
  const known = new Set<string>();
  for (const link of evidence.links) {
    if (link.ids.size > 1)
      problems.push(
        `the Idempotency-Key of ${link.key} made ${link.ids.size} links: ${[...link.ids].join(', ')}`,
      );
    const of = writes.get(link.key);
    for (const id of link.ids) known.add(id);
    if (of && link.ids.size > 0) problems.push(...problemWithEvents(link, of, evidence));
  }
  for (const id of new Set([...evidence.listed.keys(), ...evidence.events.keys()])) {
    if (!known.has(id)) problems.push(`a link that no answer has told of: id ${id}`);
  }
  const figures = `${count(evidence.events.size)} links with ${count([...evidence.events.values()].flat().length)} events`;
  return checkOf('every write has its events once, and an Idempotency-Key makes one link', figures, problems);
}

export function jobsOnce(evidence: Evidence): Check {
  const wanted = evidence.links.filter(({ ttlS, ids }) => ttlS !== undefined && ids.size > 0).length;
  const jobs = evidence.jobs.get(EXPIRY_QUEUE) ?? new Map();
  const states = [...jobs].map(([state, many]) => `${count(many)} ${state}`).join(', ') || 'none';
  // Replaced is one that a clock ahead has run before its time: it has left another in its place.
  const others = [...jobs.keys()].filter((state) => state !== 'done' && state !== 'replaced');
  const isRight = (jobs.get('done') ?? 0) === wanted && others.length === 0;
  const problems = isRight ? [] : [`expected ${count(wanted)} done, and no other than replaced`];
  const check = checkOf('every job that was enqueued has run, and is done once', `jobs: ${states}`, problems);
  return possible(check, impossibleIn(Object.fromEntries(jobs)));
}

export function projectionsEqual(evidence: Evidence): Check {
  const problems = evidence.verifications
    .filter(({ differencesTotal, parkedKeys }) => differencesTotal + parkedKeys > 0)
    .map(
      ({ name, differencesTotal, parkedKeys }) =>
        `${name}: ${differencesTotal} differences, ${parkedKeys} parked keys`,
    );
  const { live, expired } = evidence.counts;
  const listed = evidence.listed.size + evidence.kept.size;
  if (live + expired !== listed)
    problems.push(`counted ${live} live and ${expired} expired, listed ${listed}`);
  const figures = `${evidence.verifications.map(({ name }) => name).join(', ')}; ${count(live)} live, ${count(expired)} expired`;
  const differences = evidence.verifications.flatMap(({ name, differencesTotal, parkedKeys }) => [
    [`differences of ${name}`, differencesTotal] as const,
    [`parked keys of ${name}`, parkedKeys] as const,
  ]);
  return possible(
    checkOf('what is derived equals the truth', figures, problems),
    impossibleIn({ live, expired, ...Object.fromEntries(differences) }),
  );
}

/** Answers that come of waiting, or of too much to do: 429, 503, 504, or none. Any other failure is no matter of time. */
const isLate = ({ status }: Attempt) =>
  status === undefined || status === 429 || status === 503 || status === 504;

/** Requests that the generator came too late to send count on neither side: they have asked nothing of the server. */
export function withinBudget({ failedShareMax }: Bounds, evidence: Evidence): Check {
  const { loaded, windows, zeroMs } = evidence;
  const asked = loaded.filter(({ fate }) => fate !== 'generator_late');
  const { inside, outside } = divide(asked, windows, zeroMs);
  const failedOf = (some: readonly Attempt[]) => some.filter(({ isFailure }) => isFailure);
  const [failedInside, failedOutside] = [failedOf(inside).length, failedOf(outside)];
  const problems = failedOutside.map((attempt) => `outside: ${describeAttempt(attempt, zeroMs)}`);
  const share = inside.length === 0 ? 0 : failedInside / inside.length;
  const percent = (value: number) => `${(value * 100).toFixed(1)} %`;
  if (share > failedShareMax)
    problems.push(`${percent(share)} failed inside, at most ${percent(failedShareMax)} may`);
  const counts = {
    requests: asked.length,
    inside: inside.length,
    outside: asked.length - inside.length,
    failedInside,
    failedOutside: failedOutside.length,
  };
  const figures = `${count(failedInside)} of ${count(counts.inside)} requests failed from fault to recovery (${percent(share)}), ${count(counts.failedOutside)} of ${count(counts.outside)} outside`;
  const check = checkOf(
    'no request fails before a fault, or once the drill has recovered from it',
    figures,
    problems,
  );
  const parts = [
    ['failedInside', 'inside'],
    ['failedOutside', 'outside'],
    ['inside', 'requests'],
    ['outside', 'requests'],
  ] as const;
  return possible(timed(check, failedOutside.every(isLate)), impossibleIn(counts, parts));
}

export function recovered({ recoverMsMax }: Bounds, { windows }: Evidence): Check {
  const inS = (ms: number | undefined) => (ms === undefined ? 'not' : `${(ms / 1000).toFixed(1)} s`);
  const problems = windows
    .filter(({ recoveredMs }) => recoveredMs === undefined || recoveredMs > recoverMsMax)
    .map(({ fromMs, recoveredMs }) => `after the fault at ${inS(fromMs)}: ${inS(recoveredMs)}`);
  const figures = `recovered after ${windows.map(({ recoveredMs }) => inS(recoveredMs)).join(', ')}`;
  const check = timed(
    checkOf(`well again within ${inS(recoverMsMax)} of the end of each fault`, figures, problems),
  );
  const impossible = windows
    .filter(
      ({ fromMs, healedMs, recoveredMs = 0, endMs }) =>
        !(healedMs >= fromMs && recoveredMs >= 0 && endMs >= fromMs),
    )
    .map(
      ({ fromMs, healedMs, recoveredMs }) =>
        `a fault from ${fromMs} to ${healedMs} ms, well after ${recoveredMs} ms`,
    );
  return possible(check, impossible);
}

/** @param strong the routes that declare `strong` */
export function strongReads(evidence: Evidence, strong: ReadonlySet<string>): Check {
  const joined = joinAttempts(evidence.attempts.filter(({ planned }) => strong.has(planned.route)));
  const check = linearizable(historyOf(joined, evidence.zeroMs));
  return { ...check, detail: `${[...strong].join(', ')}: ${check.detail}` };
}

export function nothingLeft({ leftovers }: Evidence): Check {
  return checkOf('no process is left over', `${leftovers.length} left`, leftovers);
}

/** Of an installation that was there before the drill, and goes on after it. */
export function goesOn({ leftovers, before, kept }: Evidence): Check[] {
  const changed = [...before.links].filter(([id, url]) => kept.get(id) !== url);
  return [
    checkOf('the installation goes on as before', `${leftovers.length} problems`, leftovers),
    checkOf(
      'the links that were there before are untouched',
      `${count(before.links.size)} links`,
      changed.map(([id, url]) => `link ${id} led to ${url}, and leads to ${kept.get(id) ?? 'nothing'}`),
    ),
  ];
}

const FATES: Record<Exclude<Attempt['fate'], 'answered'>, string> = {
  no_answer: 'no answer',
  no_connection: 'no connection',
  not_sent: 'not sent (no connection was free)',
  generator_late: 'not sent (generator late)',
};

export function describeAttempt(
  { planned, intendedMs, outcome, fate, status, code }: Attempt,
  zeroMs: number,
): string {
  const at = `${planned.route} at ${((intendedMs - zeroMs) / 1000).toFixed(2)} s`;
  if (fate !== 'answered') return `${at}: ${FATES[fate]}${fate === 'no_answer' ? ` (${outcome})` : ''}`;
  return `${at}: ${status}${code === undefined ? '' : ` ${code}`} (${outcome})`;
}
