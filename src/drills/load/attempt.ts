/**
 * One request of a drill and what its client may conclude from how it ended.
 */
import type { LoadAnswer } from '#blocks/load';
import type { DrilledItem, Learnt } from '#blocks/system';
import type { Action, History, Operation, Outcome } from '../linearizability/history.ts';
import { readJson } from './answer.ts';
import type { Planned } from './planned.ts';

/**
 * How far a request came. `no_connection`: none came about. `not_sent`: all connections waited for answers until it was too
 * late, which is the server's doing; `generator_late`: the generator itself came too late to send it, which tells
 * of the machine and not of the server.
 */
export type Fate = 'answered' | 'no_answer' | 'no_connection' | 'not_sent' | 'generator_late';

export interface Attempt {
  planned: Planned;
  intendedMs: number;
  /** Undefined when it was never sent. */
  sentMs: number | undefined;
  endedMs: number;
  outcome: Outcome;
  fate: Fate;
  /** Not answered, or answered that the server could not: what an error budget counts. */
  isFailure: boolean;
  status: number | undefined;
  code: string | undefined;
  /** What a read has found. */
  found: string | undefined;
  /** What a good answer has told. */
  learnt: Learnt | undefined;
  isProblem: boolean;
  retryAfter: string | undefined;
}

/** Refusals after which a write may yet have happened: the rest of a write's refusals come before anything is committed. */
const UNSURE_CODES = new Set(['outcome_unknown', 'deadline_exceeded', 'stopped', 'idempotency_in_progress']);
const READS = new Set(['read', 'look']);
const GONE = new Set([404, 410]);

export function isWrite({ operation }: Planned): boolean {
  return !READS.has(operation.effect);
}

/** @param code of the problem document */
function outcomeOf(
  planned: Planned,
  { outcome, sentMs, status = 0 }: LoadAnswer,
  code: string | undefined,
): Outcome {
  if (outcome !== 'answered')
    return sentMs === undefined || outcome === 'refused_connection' ? 'refused' : 'unknown';
  if (status < 400) return 'ok';
  if (!isWrite(planned)) return GONE.has(status) ? 'ok' : 'refused';
  const isUnsure = UNSURE_CODES.has(code ?? '') || (status >= 500 && code === undefined) || status === 500;
  return isUnsure ? 'unknown' : 'refused';
}

/** One that the generator looked at so late, and then never sent, counts as its own fault. */
const LATE_MS = 250;

function fateOf({ outcome, sentMs, lateMs }: LoadAnswer): Fate {
  if (outcome === 'answered') return 'answered';
  if (sentMs !== undefined) return 'no_answer';
  if (outcome === 'refused_connection') return 'no_connection';
  return lateMs >= LATE_MS ? 'generator_late' : 'not_sent';
}

/** @param item as its operation sees it */
function learn(
  { operation }: Planned,
  { status = 0, headers = {} }: LoadAnswer,
  body: object,
  item?: DrilledItem,
) {
  if (operation.effect === 'look' || operation.effect === 'work' || item === undefined) return undefined;
  return operation.learn?.({ status, headers, body: { ...body } }, item);
}

/** Pure. @param item as its operation sees it, of one that is about an item */
export function readAttempt(planned: Planned, answer: LoadAnswer, item?: DrilledItem): Attempt {
  const { intendedMs, sentMs, endedMs, status, headers = {} } = answer;
  const body = readJson(answer.body);
  const isProblem = (headers['content-type'] ?? '').startsWith('application/problem+json');
  const code = isProblem && typeof body.code === 'string' ? body.code : undefined;
  const outcome = outcomeOf(planned, answer, code);
  const isServed = answer.outcome === 'answered' && (status ?? 0) < 500 && status !== 429;
  const fate = fateOf(answer);
  const learnt = outcome === 'ok' && !GONE.has(status ?? 0) ? learn(planned, answer, body, item) : undefined;
  return {
    ...{ planned, intendedMs, sentMs, endedMs, outcome, fate, status, code, isProblem, learnt },
    isFailure: !isServed && fate !== 'generator_late' && code !== 'idempotency_in_progress',
    found: learnt?.value,
    retryAfter: headers['retry-after'],
  };
}

function actionOf({ planned, found }: Attempt): Action {
  return isWrite(planned) ? { kind: 'write', value: planned.value } : { kind: 'read', value: found };
}

function operationOf(attempt: Attempt, id: number, zeroMs: number): Operation {
  const { planned, intendedMs, sentMs, endedMs, outcome, status, code } = attempt;
  const began = sentMs ?? intendedMs;
  return {
    id,
    route: planned.operation.route.id,
    key: planned.item?.key ?? planned.operation.route.id,
    action: actionOf(attempt),
    intendedMs: intendedMs - zeroMs,
    sentMs: began - zeroMs,
    endedMs: outcome === 'unknown' ? undefined : endedMs - zeroMs,
    outcome,
    ...(status === undefined ? {} : { status }),
    ...(code === undefined ? {} : { code }),
  };
}

const bySent = (a: Attempt, b: Attempt) => (a.sentMs ?? a.intendedMs) - (b.sentMs ?? b.intendedMs);

/** Every request, in the order of sending. @param zeroMs when the load began */
export function historyOf(attempts: readonly Attempt[], zeroMs: number): History {
  return { operations: attempts.toSorted(bySent).map((attempt, id) => operationOf(attempt, id, zeroMs)) };
}

/**
 * The creations as their key makes them: all attempts at one are one operation, since they have one effect, which may come
 * from the first sending on and is certain with the first acknowledgement.
 */
export function joinAttempts(attempts: readonly Attempt[]): Attempt[] {
  const joined: Attempt[] = [];
  const creations = new Map<string, Attempt>();
  for (const attempt of attempts.toSorted(bySent)) {
    const { planned, outcome, endedMs } = attempt;
    const key = planned.item?.key ?? '';
    const before = creations.get(key);
    if (planned.operation.effect !== 'create') joined.push(attempt);
    else if (before === undefined) {
      const made = { ...attempt };
      creations.set(key, made);
      joined.push(made);
    } else if (before.outcome === 'refused') {
      // Nothing came of it: its effect can only be that of a later one.
      Object.assign(before, attempt);
    } else if (outcome === 'ok' && (before.outcome === 'unknown' || endedMs < before.endedMs)) {
      Object.assign(before, { outcome, endedMs });
    }
  }
  return joined;
}
