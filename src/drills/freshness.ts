/**
 * What each route declares about freshness and about a database that cannot be reached, held against what it did.
 */
import { formatWhole } from '#base/values/numbers';
import { checkOf, describeAttempt, timed } from './checks.ts';
import { type DrilledSystem, isStale } from './drilled-systems.ts';
import { type Attempt, isWrite } from './load/attempt.ts';
import type { Planned } from './load/planned.ts';
import type { Check } from './report/result.ts';
import type { Evidence } from './scenario.ts';

/** The routes whose answers must fit into one order: `strong` ones, and `session` ones where there is one database. */
export function orderedRoutes(systems: readonly DrilledSystem[], hasReplicas: boolean): Set<string> {
  const routes = systems.flatMap(({ drill: { operations, readBack } }) => [
    ...Object.values(operations).flatMap(({ effect, route }) =>
      effect === 'look' || effect === 'work' ? [] : [route],
    ),
    ...(readBack === undefined ? [] : [readBack.route]),
  ]);
  const ordered = routes.filter(
    ({ consistency = 'strong' }) => consistency === 'strong' || (consistency === 'session' && !hasReplicas),
  );
  return new Set(ordered.map(({ id }) => id));
}

const mustRefuse = ({ operation: { route } }: Planned) =>
  route.whenPartitioned === undefined || route.whenPartitioned === 'refuse';
const mayBeStale = ({ operation }: Planned) => operation.effect === 'read' && isStale(operation);

/** A stretch during which the database could not be reached, from when that was sure until it was over. */
export interface Cut {
  fromMs: number;
  untilMs: number;
}

function isDuring({ fromMs, untilMs }: Cut, { sentMs }: Attempt, zeroMs: number): boolean {
  return sentMs !== undefined && sentMs - zeroMs >= fromMs && sentMs - zeroMs < untilMs;
}

const REFUSALS = new Set([503, 504]);

function problemWithRefusal(attempt: Attempt): string | undefined {
  const { status, isProblem, code, retryAfter } = attempt;
  if (status === undefined) return 'was not answered';
  if (!REFUSALS.has(status)) return `answered ${status}`;
  if (!isProblem || code === undefined) return 'refused without a problem document';
  return status === 503 && retryAfter === undefined ? 'refused without Retry-After' : undefined;
}

/** Routes that declare `refuse` answer with a coded refusal, each request of them. */
export function refusedDuring(cut: Cut, { loaded, zeroMs }: Evidence): Check {
  const asked = loaded.filter((attempt) => isDuring(cut, attempt, zeroMs) && mustRefuse(attempt.planned));
  const wrong = asked.filter((attempt) => problemWithRefusal(attempt) !== undefined);
  const problems = wrong.map(
    (attempt) => `${problemWithRefusal(attempt)}: ${describeAttempt(attempt, zeroMs)}`,
  );
  const codes = Map.groupBy(asked, ({ status, code }) => `${status} ${code}`);
  const figures = [...codes].map(([code, all]) => `${all.length} × ${code}`).join(', ') || 'no requests';
  if (asked.length === 0) problems.push('no request was made while the database was cut off');
  return timed(
    checkOf(
      'routes that declare `refuse` refuse with 503 or 504, a problem document and Retry-After while the database is cut off',
      figures,
      problems,
    ),
    wrong.length === problems.length && wrong.every(({ status }) => status === undefined),
  );
}

/** Far less than any request may take, and more than a busy machine needs to refuse. */
const AT_ONCE_MS = 1000;

/** The same once the server has noticed: nobody has to wait for a deadline to be refused. */
export function refusedAtOnce(noticed: Cut, { loaded, zeroMs }: Evidence): Check {
  const asked = loaded.filter((attempt) => isDuring(noticed, attempt, zeroMs) && mustRefuse(attempt.planned));
  const tookMs = asked.map(({ sentMs = 0, endedMs }) => endedMs - sentMs);
  const late = asked.filter(({ status }, at) => status !== 503 || (tookMs[at] as number) > AT_ONCE_MS);
  const problems = late.map((attempt) => describeAttempt(attempt, zeroMs));
  if (asked.length === 0) problems.push('no request was made after that');
  const longest = Math.round(Math.max(0, ...tookMs));
  return timed(
    checkOf(
      `once the server has noticed, they refuse with 503 within ${AT_ONCE_MS} ms`,
      `${asked.length} requests, the longest ${longest} ms`,
      problems,
    ),
    late.length === problems.length && late.every(({ status = 503 }) => REFUSALS.has(status)),
  );
}

/**
 * Whether the process must have had the answer in memory: it was asked for before the cut, and nobody has asked to change it
 * from then on, since a change of whatever outcome makes a process forget.
 */
function wasKept(asked: Attempt, ofItem: readonly Attempt[], cutMs: number): boolean {
  return ofItem.some(
    (kept) =>
      kept.planned.operation === asked.planned.operation &&
      kept.outcome === 'ok' &&
      kept.endedMs < cutMs &&
      !ofItem.some(
        (write) =>
          isWrite(write.planned) &&
          write.endedMs >= (kept.sentMs ?? 0) &&
          (write.sentMs ?? Number.POSITIVE_INFINITY) < asked.endedMs,
      ),
  );
}

/** Answers that may be stale, and were given shortly before, go on from memory. */
export function servedStale(cut: Cut, { loaded, zeroMs }: Evidence): Check {
  const byItem = Map.groupBy(loaded, ({ planned }) => planned.item);
  const asked = loaded.filter(
    (attempt) =>
      mayBeStale(attempt.planned) &&
      isDuring(cut, attempt, zeroMs) &&
      wasKept(attempt, byItem.get(attempt.planned.item) ?? [], zeroMs + cut.fromMs),
  );
  const failed = asked.filter(({ found }) => found === undefined);
  const problems = failed.map((attempt) => describeAttempt(attempt, zeroMs));
  if (asked.length === 0) problems.push('nothing that was kept was asked for while the database was cut off');
  return timed(
    checkOf(
      'what is kept in memory goes on while the database is cut off',
      `${asked.length} answers`,
      problems,
    ),
    failed.length === problems.length && failed.every(({ status }) => status === undefined),
  );
}

interface TimedWrite {
  value: string | undefined;
  sentMs: number;
  /** Infinite where it is not known that it happened. */
  endedMs: number;
}

function writesByItem(attempts: readonly Attempt[]): Map<string, TimedWrite[]> {
  const writes = new Map<string, TimedWrite[]>();
  for (const attempt of attempts) {
    const { planned, sentMs, endedMs, outcome } = attempt;
    const { item, value } = planned;
    if (!isWrite(planned) || item === undefined || sentMs === undefined || outcome === 'refused') continue;
    const write = { value, sentMs, endedMs: outcome === 'ok' ? endedMs : Number.POSITIVE_INFINITY };
    const all = writes.get(item.key);
    if (all) all.push(write);
    else writes.set(item.key, [write]);
  }
  return writes;
}

interface AgeProblem {
  text: string;
  /** Right once, and served for too long: on a machine that stops for seconds a process may do so without a fault of its own. */
  isTimed: boolean;
}

/** Why no moment within `ageMs` before the read can have had what it found; undefined when one can. */
function problemWithAge(read: Attempt, writes: readonly TimedWrite[], ageMs: number): AgeProblem | undefined {
  const { found, sentMs = read.intendedMs, endedMs } = read;
  const sources = writes.filter(({ value, sentMs: sent }) => value === found && sent <= endedMs);
  if (sources.length === 0) {
    const text = found === undefined ? 'what nobody has deleted is gone' : 'nobody wrote this';
    return { text, isTimed: false };
  }
  const isTooOld = sources.every((source) =>
    writes.some(
      (later) => later.value !== found && later.sentMs > source.endedMs && later.endedMs < sentMs - ageMs,
    ),
  );
  return isTooOld ? { text: `older than ${ageMs} ms`, isTimed: true } : undefined;
}

/** @param ageMsAt how old an answer of a system may be that is asked for at a time from the load's beginning */
export function staleFresh(
  evidence: Evidence,
  ageMsAt: (system: DrilledSystem, atMs: number) => number,
): Check {
  const { attempts, zeroMs } = evidence;
  const writes = writesByItem(attempts);
  const reads = attempts.filter(({ planned, outcome }) => mayBeStale(planned) && outcome === 'ok');
  const problems = reads.flatMap((read) => {
    const { item, system } = read.planned;
    const ageMs = ageMsAt(system, (read.sentMs ?? read.intendedMs) - zeroMs);
    const problem = problemWithAge(read, writes.get(item?.key ?? '') ?? [], ageMs);
    return problem === undefined
      ? []
      : [{ ...problem, text: `${item?.key} → ${read.found}: ${problem.text}` }];
  });
  return timed(
    checkOf(
      'no answer is older than its declared age',
      `${formatWhole(reads.length)} answers that may be stale`,
      problems.map(({ text }) => text),
    ),
    problems.every(({ isTimed }) => isTimed),
  );
}
