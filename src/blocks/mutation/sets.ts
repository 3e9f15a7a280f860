/**
 * Mutations in sets: calls of one rule that arrive while a set is on its way travel together in the next. See set-rule.ts
 * for what a rule looks like, set-line.ts for who goes when, set-run.ts for the transaction.
 *
 * Measured against one transaction for each call: docs/decisions/0009-sets.md.
 */

import type { Clock } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import type { Tick } from '#base/tick';
import { bucketOf, databaseErrors } from '#blocks/database';
import { type Idempotency, type IdempotentRequest, idempotencyErrors } from '#blocks/idempotency';
import type { Outbox } from '#blocks/outbox';
import { identify } from './identify.ts';
import type { MutationOptions } from './options.ts';
import { unfold } from './outcome.ts';
import type { Mutations } from './port.ts';
import type { MutationResult } from './request.ts';
import { type AnyRule, type Asked, type Call, type CallDeps, createCall, forget } from './set-call.ts';
import { createLine, type Line, type SetEnd } from './set-line.ts';
import { isAgain, isOfOneCall, type SetRunDeps, type Settlement, transactSet } from './set-run.ts';
import { createTelling } from './settled.ts';

export type Sets = { run: Mutations['runInSet'] };

export interface SetsDeps extends Omit<SetRunDeps, 'idempotency'>, CallDeps {
  clock: Clock;
  tick: Tick;
  idempotency: Pick<Idempotency, 'identify' | 'findEach' | 'keepEach' | 'isRepeated'>;
  queue: SetRunDeps['queue'] & CallDeps['queue'];
  outbox: SetRunDeps['outbox'] & Pick<Outbox, 'assertRoom'>;
}

/** How often an equal request may be completed in between before that counts as a defect. */
const TRIES_MAX = 3;

/** A keyed request that is being carried out here. */
interface UnderWay {
  requestHash: Buffer;
  result: Promise<MutationResult>;
}

export function createSets(options: MutationOptions, deps: SetsDeps): Sets {
  const lines = new Map<AnyRule, Line>();
  const underWay = new Map<string, UnderWay>();

  function answer(call: Call, settlement: Settlement): void {
    call.origin.end();
    if (settlement.kind === 'outcome') call.resolve(settlement);
    else if (settlement.kind === 'failed') call.reject(settlement.error);
  }

  function fail(calls: readonly Call[], error: unknown): void {
    for (const call of calls) {
      forget(call, deps);
      call.origin.end();
      call.reject(error);
    }
  }

  /** Carries out calls in one transaction, or in several where they do not go together. */
  async function carryOut(
    rule: AnyRule,
    calls: readonly Call[],
    isWaiting: boolean,
    tries = 1,
  ): Promise<SetEnd> {
    const deadline = createDeadline(deps.clock, options.setTimeoutMs);
    try {
      const settled = await transactSet(rule, calls, { isWaiting, signal: deadline.signal }, deps);
      const held: Call[] = [];
      for (const [call, settlement] of settled) {
        if (settlement.kind === 'held') held.push(call);
        else answer(call, settlement);
      }
      return { held, later: [] };
    } catch (error) {
      deadline.done();
      return await recover(rule, calls, { error, isWaiting, tries });
    } finally {
      deadline.done();
    }
  }

  async function recover(
    rule: AnyRule,
    calls: readonly Call[],
    { error, isWaiting, tries }: { error: unknown; isWaiting: boolean; tries: number },
  ): Promise<SetEnd> {
    const [first] = calls;
    if (first && isAgain(error)) {
      for (const [call, refusal] of error.refused) call.refusal = refusal;
      for (const call of error.later) forget(call, deps);
      const now = calls.filter((call) => !error.later.has(call));
      const end = await carryOut(rule, now, isWaiting);
      return { held: end.held, later: [...error.later, ...end.later] };
    }
    if (first && isOfOneCall(error)) {
      if (calls.length > 1) return divide(rule, calls, isWaiting);
      if (deps.idempotency.isRepeated(error) && tries < TRIES_MAX)
        return carryOut(rule, calls, isWaiting, tries + 1);
    }
    fail(calls, error);
    return { held: [], later: [] };
  }

  /** One half after the other, so that calls on one aggregate keep their order. */
  async function divide(rule: AnyRule, calls: readonly Call[], isWaiting: boolean): Promise<SetEnd> {
    const middle = calls.length >> 1;
    const one = await carryOut(rule, calls.slice(0, middle), isWaiting);
    const other = await carryOut(rule, calls.slice(middle), isWaiting);
    return { held: [...one.held, ...other.held], later: [...one.later, ...other.later] };
  }

  function lineOf(rule: AnyRule): Line {
    const known = lines.get(rule);
    if (known) return known;
    const send = (calls: readonly Call[], isWaiting: boolean) => carryOut(rule, calls, isWaiting);
    const line = createLine(options, { tick: deps.tick, send });
    lines.set(rule, line);
    return line;
  }

  function add(rule: AnyRule, asked: Asked): Promise<MutationResult> {
    const line = lineOf(rule);
    const waiting = line.waiting();
    if (waiting >= options.setWaitingMax)
      throw databaseErrors.database_busy({ detail: `${waiting} calls of ${rule.name} wait`, retryAfterS: 1 });
    const { promise, resolve, reject } = Promise.withResolvers<MutationResult>();
    line.add(createCall(rule, asked, { resolve, reject }, deps));
    return promise;
  }

  /** An equal request that came while the first is carried out is answered as that one is. */
  async function follow(first: UnderWay, { requestHash }: IdempotentRequest): Promise<MutationResult> {
    const isEqual = first.requestHash.equals(requestHash);
    const ended = await first.result.catch((error: unknown) => {
      if (isEqual) throw error;
      // The refusal has freed the key, for this request as for any.
      throw idempotencyErrors.idempotency_in_progress({ retryAfterS: 1, cause: error });
    });
    if (!isEqual) throw idempotencyErrors.idempotency_key_reused();
    return { outcome: ended.outcome, isReplayed: true };
  }

  function addKeyed(rule: AnyRule, asked: Asked, request: IdempotentRequest): Promise<MutationResult> {
    const name = request.recordId.toString('latin1');
    const first = underWay.get(name);
    if (first) return follow(first, request);
    const result = add(rule, asked);
    const forgetIt = () => underWay.delete(name);
    underWay.set(name, { requestHash: request.requestHash, result });
    result.then(forgetIt, forgetIt);
    return result;
  }

  return {
    async run(mutation, rule, input, toOutcome, settling) {
      const { placement, signal } = mutation;
      const telling = createTelling(settling);
      const result = telling.of(async () => {
        deps.outbox.assertRoom();
        signal.throwIfAborted();
        const bucket = 'bucket' in placement ? placement.bucket : bucketOf(placement.shardKey);
        const request = identify(deps.idempotency, mutation, bucket);
        const asked = { mutation, bucket, request, input, toOutcome, telling } as Asked;
        const added = request ? addKeyed(rule as AnyRule, asked, request) : add(rule as AnyRule, asked);
        const { outcome, isReplayed } = await added;
        return { outcome: unfold(outcome, isReplayed), isReplayed };
      });
      // Its set goes on without it when its time has run out, and what has become of it is told all the same.
      return withSignal(result, signal);
    },
  };
}
