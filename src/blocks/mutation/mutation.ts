/**
 * The one call that a route uses for every mutation: rows, idempotency record, events and jobs in one transaction.
 *
 * Round trips, each one burst of pipelined statements:
 *   1. BEGIN, look-up of the idempotency record      (only with a key; else BEGIN travels with 2)
 *   2. the rule's statements, as many as it awaits   (one, for an ordinary mutation)
 *   3. record, events, jobs, COMMIT
 *
 * Events and jobs can be made only through the transaction that the rule is given: there is no other way to them.
 */
import assert from 'node:assert/strict';
import type { Clock } from '#base/clock';
import { defineFaults } from '#base/faults';
import { nextTurn, type Tick } from '#base/tick';
import type { Tracer } from '#base/trace';
import type { Database, Transaction, TransactOptions } from '#blocks/database';
import type { Idempotency, IdempotentRequest, Outcome } from '#blocks/idempotency';
import type { Outbox } from '#blocks/outbox';
import { assertMadeJob, type PreparedJob, type Queue } from '#blocks/queue';
import { assertMadeEvent, type NewEvent } from '#blocks/stream';
import { identify } from './identify.ts';
import type { MutationOptions } from './options.ts';
import { createOrigin, type Origin } from './origin.ts';
import { unfold, withChange } from './outcome.ts';
import type { Mutations, MutationTx } from './port.ts';
import type { Mutation, MutationResult } from './request.ts';
import type { SetRule } from './set-rule.ts';
import { createSets } from './sets.ts';
import { createTelling, type Telling } from './settled.ts';

const faults = defineFaults('mutation', {
  rule_ended: 'the rule has written its rows; nothing is committed',
  committed: 'everything is committed; nobody has been told',
});

export interface MutationsDeps {
  clock: Clock;
  /** Default: the next turn of the event loop. */
  tick?: Tick;
  tracer: Pick<Tracer, 'begin'>;
  database: Pick<Database, 'transact'>;
  idempotency: Pick<Idempotency, 'identify' | 'find' | 'findEach' | 'keep' | 'keepEach' | 'isRepeated'>;
  outbox: Pick<Outbox, 'assertRoom' | 'insertEvents' | 'insertEach' | 'wake'>;
  queue: Pick<Queue, 'prepareJob' | 'insertJobs' | 'release' | 'wakeFor' | 'waitForRoom'>;
}

/** How often an equal request may be completed in between before that counts as a defect. */
const TRIES_MAX = 3;

/** What a rule has made, to be written with the commit and told of after it. */
interface Made {
  events: NewEvent[];
  jobs: PreparedJob[];
}

/** The queue that had no room for a job of the rule. */
interface Full {
  queue: string | undefined;
}

/** What is kept for a repetition of the request. */
interface Record {
  request: IdempotentRequest;
  outcome: Outcome;
}

interface Prepared {
  mutation: Mutation;
  deps: MutationsDeps;
  made: Made;
  full: Full;
  origin: Origin;
}

/** The transaction given to the rule: collects events and jobs, and refuses them once the rule has ended. */
function createMutationTx(
  tx: Transaction,
  { mutation, deps, made, full, origin }: Prepared,
): { given: MutationTx; end(): void } {
  let hasEnded = false;
  const place = { workspaceId: mutation.placement.workspaceId, bucket: tx.bucket };
  return {
    end() {
      hasEnded = true;
    },
    given: {
      bucket: tx.bucket,
      signal: tx.signal,
      rows: tx.rows,
      first: tx.first,
      run: tx.run,
      publish(event) {
        assert(!hasEnded, 'the rule has ended: its transaction takes no more events');
        assertMadeEvent(event);
        made.events.push(event);
      },
      enqueue(job) {
        assert(!hasEnded, 'the rule has ended: its transaction takes no more jobs');
        assertMadeJob(job);
        full.queue = job.queue;
        const prepared = deps.queue.prepareJob(job, place, origin.traceparent());
        full.queue = undefined;
        made.jobs.push(prepared);
        return prepared.jobId;
      },
    },
  };
}

/** Everything that the commit carries with it, sent without waiting. */
function sendWithCommit(
  tx: Transaction,
  { mutation, deps, made, origin }: Prepared,
  record: Record | undefined,
): void {
  const place = { workspaceId: mutation.placement.workspaceId, bucket: tx.bucket };
  if (record) tx.withCommit(deps.idempotency.keep(tx, record.request, record.outcome));
  if (made.jobs.length > 0) tx.withCommit(deps.queue.insertJobs(tx, made.jobs));
  // Last: the order of the events of a key rests on the locks taken by what went before.
  if (made.events.length > 0)
    tx.withCommit(deps.outbox.insertEvents(tx, place, made.events, origin.traceparent()));
}

/** The mutations of one database. */
export function createMutations(options: MutationOptions, deps: MutationsDeps): Mutations {
  const { database, idempotency, outbox, queue } = deps;
  const sets = createSets(options, { tick: nextTurn, ...deps });

  /** The rule, and behind it everything that travels with the commit. `recordOf` is what is kept for the request. */
  async function carryOut<T>(
    tx: Transaction,
    prepared: Prepared,
    rule: (tx: MutationTx) => Promise<T>,
    recordOf: (given: T) => Record | undefined,
  ): Promise<T> {
    const { given: own, end } = createMutationTx(tx, prepared);
    const given = await rule(own).finally(end);
    await faults.rule_ended();
    sendWithCommit(tx, prepared, recordOf(given));
    return given;
  }

  /** A transaction, then word of what it has made; of one that fails, its jobs count as waiting no more. */
  async function transact<T>(
    mutation: Mutation,
    full: Full,
    work: (tx: Transaction, prepared: Prepared) => Promise<T>,
  ): Promise<T> {
    const { placement } = mutation;
    const origin = createOrigin(deps.tracer, mutation);
    let made: Made = { events: [], jobs: [] };
    try {
      const given = await database.transact(placement, optionsOf(mutation), (tx) => {
        // Of an attempt before this one, which has met a conflict.
        queue.release(made.jobs);
        made = { events: [], jobs: [] };
        return work(tx, { mutation, deps, made, full, origin });
      });
      await faults.committed();
      if (made.events.length > 0) outbox.wake();
      if (made.jobs.length > 0) queue.wakeFor(made.jobs);
      return given;
    } catch (error) {
      queue.release(made.jobs);
      throw error;
    } finally {
      origin.end();
    }
  }

  /** Once more when a queue that blocks has room again: waited for outside of the transaction. */
  async function withRoom<T>(signal: AbortSignal, attempt: (full: Full) => Promise<T>): Promise<T> {
    const full: Full = { queue: undefined };
    try {
      return await attempt(full);
    } catch (error) {
      const isFull = (error as { code?: string }).code === 'queue_full' && full.queue !== undefined;
      if (!isFull || !(await queue.waitForRoom(full.queue as string, signal))) throw error;
      return attempt({ queue: undefined });
    }
  }

  function runOnce(
    mutation: Mutation,
    rule: (tx: MutationTx) => Promise<Outcome>,
    telling: Telling,
  ): Promise<MutationResult> {
    return withRoom(mutation.signal, (full) =>
      transact(mutation, full, async (tx, prepared) => {
        telling.begin();
        const request = identify(idempotency, mutation, tx.bucket);
        const earlier = request && (await idempotency.find(tx, request));
        if (earlier) return { outcome: earlier, isReplayed: true };
        const recordOf = (outcome: Outcome) => request && { request, outcome };
        return { outcome: await carryOut(tx, prepared, rule, recordOf), isReplayed: false };
      }),
    );
  }

  /** Again when an equal request was completed in between: then there is its outcome. */
  async function runUntilKept(...of: Parameters<typeof runOnce>): Promise<MutationResult> {
    for (let tries = 1; ; tries++) {
      try {
        const { outcome, isReplayed } = await runOnce(...of);
        return { outcome: unfold(outcome, isReplayed), isReplayed };
      } catch (error) {
        if (!idempotency.isRepeated(error) || tries >= TRIES_MAX) throw error;
      }
    }
  }

  return {
    async run(mutation, rule, toOutcome, settling) {
      const telling = createTelling(settling);
      return telling.of(async () => {
        outbox.assertRoom();
        const toKept = async (tx: MutationTx) => {
          const value = await rule(tx);
          return withChange(toOutcome(value), telling.give(value));
        };
        return runUntilKept(mutation, toKept, telling);
      });
    },

    runInSet: sets.run,

    async writeInSet<Input, Value, Found>(
      work: Omit<Mutation, 'keyed'>,
      rule: SetRule<Input, Value, Found>,
      input: Input,
    ): Promise<Value> {
      const toOutcome = (value: Value) => ({ status: 200, headers: {}, body: value });
      const { outcome } = await sets.run({ ...work, keyed: undefined }, rule, input, toOutcome);
      return outcome.body as Value;
    },

    async write(work, rule) {
      outbox.assertRoom();
      const mutation = { ...work, keyed: undefined };
      return withRoom(work.signal, (full) =>
        transact(mutation, full, (tx, prepared) => carryOut(tx, prepared, rule, () => undefined)),
      );
    },
  };
}

function optionsOf({ signal, onCommit }: Mutation): TransactOptions {
  return onCommit ? { signal, onCommit } : { signal };
}
