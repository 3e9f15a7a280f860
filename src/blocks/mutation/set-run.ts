/**
 * One set in one transaction.
 *
 * Round trips, each one burst of pipelined statements:
 *   1. BEGIN, look-up of the calls' Idempotency-Keys, the rule's `find`
 *   2. what the rule's `decide` awaits
 *   3. what it trails, records, jobs, events, COMMIT
 *
 * What becomes of an attempt:
 *   committed            each call has its settlement
 *   again, without some  a job or an event of theirs was refused, after their rows were written: they are refused, or go later
 *   divided              the data of one of them is at fault: halves, until the culprit stands alone
 *   failed               the database is: nothing is sent again, since its answer may be what was lost
 */
import { isLoadstoneError, type LoadstoneError } from '#base/errors';
import { defineFaults } from '#base/faults';
import { type Database, isDataError, sql, type Transaction } from '#blocks/database';
import type { Idempotency, KeptOutcome, Look, Outcome } from '#blocks/idempotency';
import type { Outbox } from '#blocks/outbox';
import { type Queue, queueErrors, twinsOf } from '#blocks/queue';
import { withChange } from './outcome.ts';
import { type AnyRule, assertVerdicts, type Call, forget, replacedByOthers } from './set-call.ts';
import type { SetTx, Verdict } from './set-rule.ts';

const faults = defineFaults('mutation_set', {
  decided: 'the rule has written the rows of a set; nothing is committed',
  committed: 'a set is committed; nobody has been told',
});

/** What one call of a committed set has come to. */
export type Settlement =
  | { kind: 'outcome'; outcome: Outcome; isReplayed: boolean }
  /** Nothing of it is kept. */
  | { kind: 'failed'; error: LoadstoneError }
  | { kind: 'held' };

/** Ends an attempt: some calls must not be in it. */
interface Again extends Error {
  refused: ReadonlyMap<Call, LoadstoneError>;
  later: ReadonlySet<Call>;
}

export interface SetRunDeps {
  database: Pick<Database, 'transact'>;
  idempotency: Pick<Idempotency, 'findEach' | 'keepEach'>;
  outbox: Pick<Outbox, 'insertEach' | 'wake'>;
  queue: Pick<Queue, 'insertJobs' | 'release' | 'wakeFor'>;
}

/** A set is of many workspaces and buckets; each call keeps its own. */
const PLACEMENT = { system: 'mutation', workspaceId: '0', bucket: 0 };
const SKIP_LOCKED = sql`for update skip locked`;
const WAIT_FOR_LOCKED = sql`for update`;

function again(refused: Again['refused'], later: Again['later']): Again {
  return Object.assign(new Error('some calls have to leave the set'), { refused, later });
}

export function isAgain(error: unknown): error is Again {
  return error instanceof Error && 'refused' in error && 'later' in error;
}

/** Thrown where an event or a job is made, so by what the rule does for one call. */
const MISFITS = new Set(['event_payload_invalid', 'job_payload_invalid']);

/** Whether one call may be why the set failed, by its data or by what its rule throws for it: then halves tell whose. */
export function isOfOneCall(error: unknown): boolean {
  if (!isLoadstoneError(error) || MISFITS.has(error.code)) return true;
  return isDataError(error) || (error.status < 500 && !error.retryable);
}

function createSetTx(tx: Transaction, isWaiting: boolean): SetTx {
  const { signal, rows, first, run, withCommit } = tx;
  return { signal, rows, first, run, withCommit, lock: isWaiting ? WAIT_FOR_LOCKED : SKIP_LOCKED };
}

function settle(verdict: Verdict<unknown>, { toOutcome, telling }: Call): Settlement {
  if (verdict.kind === 'held') return verdict;
  if (verdict.kind === 'refused') return { kind: 'failed', error: verdict.error };
  const outcome = withChange(toOutcome(verdict.value), telling.give(verdict.value));
  return { kind: 'outcome', outcome, isReplayed: false };
}

/** What the look-up says of a call; undefined when it is to be carried out. */
function settleByLook(look: Look | undefined): Settlement | undefined {
  if (look?.kind === 'kept') return { kind: 'outcome', outcome: look.outcome, isReplayed: true };
  if (look?.kind === 'refused') return { kind: 'failed', error: look.error };
  return undefined;
}

/** Looks each keyed call up, and lets the rule find what it decides on, in one burst. */
async function open(tx: Transaction, setTx: SetTx, rule: AnyRule, calls: readonly Call[], deps: SetRunDeps) {
  const keyed = calls.filter(({ request }) => request);
  const requests = keyed.flatMap(({ request }) => (request ? [request] : []));
  const views = calls.filter(({ refusal }) => !refusal).map(({ view }) => view);
  const [looks, found] = await Promise.all([
    requests.length > 0 ? deps.idempotency.findEach(tx, requests) : [],
    views.length > 0 ? rule.find?.(setTx, views) : undefined,
  ]);
  return { looks: new Map(keyed.map((call, at) => [call, looks[at]])), found };
}

/** A call whose event or job was refused has written rows by then: the others go again without it. */
function leaveOutRefused(calls: readonly Call[], verdicts: readonly Verdict<unknown>[]): void {
  const refused = new Map(calls.flatMap((call) => (call.refusal ? [[call, call.refusal] as const] : [])));
  const done = calls.filter((_, at) => verdicts[at]?.kind === 'done');
  const later = replacedByOthers(done.filter((call) => !refused.has(call)));
  if (refused.size > 0 || later.size > 0) throw again(refused, later);
}

/** Everything that the commit carries with it, sent without waiting. */
function sendWithCommit(
  tx: Transaction,
  settled: ReadonlyMap<Call, Settlement>,
  done: readonly Call[],
  deps: SetRunDeps,
): void {
  const kept: KeptOutcome[] = [];
  for (const [{ request }, settlement] of settled) {
    if (request && settlement.kind === 'outcome' && !settlement.isReplayed)
      kept.push({ request, outcome: settlement.outcome });
  }
  if (kept.length > 0) tx.withCommit(deps.idempotency.keepEach(tx, kept));
  const jobs = done.flatMap((call) => call.jobs);
  if (jobs.length > 0) tx.withCommit(insertJobs(tx, done, deps));
  const telling = done.filter(({ events }) => events.length > 0);
  if (telling.length === 0) return;
  // Last: the order of the events of a key rests on the locks taken by what went before.
  const told = telling.map(({ mutation, bucket, events, origin }) => ({
    place: { workspaceId: mutation.placement.workspaceId, bucket },
    events,
    traceparent: origin.traceparent(),
  }));
  tx.withCommit(deps.outbox.insertEach(tx, told));
}

/** Twins refuse the whole transaction and name themselves: their calls are left out of the next attempt. */
async function insertJobs(tx: Transaction, done: readonly Call[], { queue }: SetRunDeps): Promise<void> {
  try {
    await queue.insertJobs(
      tx,
      done.flatMap(({ jobs }) => jobs),
    );
  } catch (error) {
    const twins = new Set(twinsOf(error));
    const refused = done.filter(({ jobs }) => jobs.some(({ jobId }) => twins.has(jobId)));
    if (refused.length === 0) throw error;
    const { message: detail } = error as Error;
    throw again(new Map(refused.map((call) => [call, queueErrors.job_duplicate({ detail })])), new Set());
  }
}

/** The rule over the calls that are neither repetitions nor refused, and behind it what travels with the commit. */
async function carryOut(
  tx: Transaction,
  rule: AnyRule,
  calls: readonly Call[],
  isWaiting: boolean,
  deps: SetRunDeps,
): Promise<Map<Call, Settlement>> {
  for (const call of calls) {
    forget(call, deps);
    call.telling.begin();
  }
  const setTx = createSetTx(tx, isWaiting);
  const { looks, found } = await open(tx, setTx, rule, calls, deps);
  const settled = new Map<Call, Settlement>();
  for (const call of calls) {
    const { refusal } = call;
    const settlement =
      settleByLook(looks.get(call)) ?? (refusal && settle({ kind: 'refused', error: refusal }, call));
    if (settlement) settled.set(call, settlement);
  }
  const undecided = calls.filter((call) => !settled.has(call));
  const views = undecided.map(({ view }) => view);
  const verdicts = views.length > 0 ? await rule.decide(setTx, views, found) : [];
  assertVerdicts(rule, verdicts, undecided);
  leaveOutRefused(undecided, verdicts);
  const done: Call[] = [];
  undecided.forEach((call, at) => {
    const verdict = verdicts[at] as Verdict<unknown>;
    settled.set(call, settle(verdict, call));
    if (verdict.kind === 'done') done.push(call);
    else forget(call, deps);
  });
  await faults.decided();
  sendWithCommit(tx, settled, done, deps);
  return settled;
}

/**
 * @param isWaiting whether it waits for rows that are locked elsewhere
 * @throws an `Again`, a data error, or why the database could not carry it out
 */
export async function transactSet(
  rule: AnyRule,
  calls: readonly Call[],
  { isWaiting, signal }: { isWaiting: boolean; signal: AbortSignal },
  deps: SetRunDeps,
): Promise<ReadonlyMap<Call, Settlement>> {
  const onCommit = (position: string) => {
    for (const { mutation } of calls) mutation.onCommit?.(position);
  };
  const settled = await deps.database.transact(PLACEMENT, { signal, onCommit }, (tx) =>
    carryOut(tx, rule, calls, isWaiting, deps),
  );
  await faults.committed();
  if (calls.some(({ events }) => events.length > 0)) deps.outbox.wake();
  const jobs = calls.flatMap((call) => call.jobs);
  if (jobs.length > 0) deps.queue.wakeFor(jobs);
  return settled;
}
