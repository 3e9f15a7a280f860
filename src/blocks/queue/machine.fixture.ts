/**
 * Random histories of one queue with two workers, on an engine and on a model that moves each job by machine.ts: after
 * every step each job must be in the state that the model says, and every turn must take exactly the jobs it says.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ClaimedJob, OnDuplicate, PreparedJob } from './job.ts';
import { type JobEvent, type JobMachine, nextState } from './machine.ts';
import { freshQueue, makeJob, makeTurn, PLACEMENT, type SuiteStores, scoreAt } from './store.fixture.ts';
import type { Lease } from './store.ts';
import { locksOf } from './stores/complete-and-claim.ts';

const LEASE_MS = 10_000;

/** Which end the worker makes of what it has in flight, by turns. */
type End = 'done' | 'failed' | 'nonRetryable' | 'keep' | 'give_back';

export type Step =
  | {
      kind: 'enqueue';
      delayMs: number;
      order: number;
      uniqueKey: string | undefined;
      onDuplicate: OnDuplicate;
      concurrencyKey: string | undefined;
      attemptsMax: number;
      commits: boolean;
    }
  | { kind: 'turn'; worker: 0 | 1; ends: End[]; want: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'promote' }
  | { kind: 'reap' }
  | { kind: 'release_orphans' }
  | { kind: 'discard'; pick: number }
  | { kind: 'redrive'; pick: number }
  | { kind: 'hasten'; pick: number };

const end = fc.constantFrom<End>('done', 'done', 'failed', 'nonRetryable', 'keep', 'give_back');
const maybeKey = (...keys: string[]) => fc.option(fc.constantFrom(...keys), { nil: undefined, freq: 3 });

const enqueue = fc.record({
  kind: fc.constant('enqueue' as const),
  delayMs: fc.constantFrom(0, 0, 0, 1, 5000),
  order: fc.nat(4095),
  uniqueKey: maybeKey('u', 'v'),
  onDuplicate: fc.constantFrom<OnDuplicate>('reject', 'replace', 'ignore'),
  concurrencyKey: maybeKey('c', 'd'),
  attemptsMax: fc.integer({ min: 1, max: 3 }),
  commits: fc.constant(true),
});
const turn = fc.record({
  kind: fc.constant('turn' as const),
  worker: fc.constantFrom(0 as const, 1 as const),
  ends: fc.array(end, { minLength: 1, maxLength: 4 }),
  want: fc.nat(6),
});
const pick = fc.nat(99);

export interface History {
  /** Jobs of one concurrency key that may run at once. */
  keyConcurrency: number;
  steps: Step[];
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: enqueue },
    { weight: 1, arbitrary: enqueue.map((step) => ({ ...step, commits: false })) },
    { weight: 8, arbitrary: turn },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 4000, 11_000) }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'promote' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'reap' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'release_orphans' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom('discard' as const, 'redrive' as const, 'hasten' as const),
        pick,
      }),
    },
  ),
  { minLength: 12, maxLength: 50, size: 'max' },
);

export const history: fc.Arbitrary<History> = fc.record({
  keyConcurrency: fc.integer({ min: 1, max: 2 }),
  steps,
});

interface ModelJob {
  machine: JobMachine;
  score: number;
  uniqueKey: string | undefined;
  concurrencyKey: string | undefined;
}

interface ModelWorker {
  lease: Lease | undefined;
  untilMs: number;
  hand: ClaimedJob[];
}

class Impossible extends Error {}

function move(job: ModelJob, event: JobEvent): void {
  const next = nextState(job.machine, event);
  if (!next) throw new Impossible(`${event.kind} of a job that is ${job.machine.state.kind}`);
  job.machine = next;
}

/** Carries out one history. @throws AssertionError where the engine differs from the model */
export async function carryOut(stores: SuiteStores, { keyConcurrency, steps }: History): Promise<void> {
  const queue = freshQueue();
  const jobs = new Map<string, ModelJob>();
  const workers: ModelWorker[] = [0, 1].map(() => ({ lease: undefined, untilMs: 0, hand: [] }));
  let nowMs = Date.now();

  const is = (job: ModelJob, kind: JobMachine['state']['kind']) => job.machine.state.kind === kind;
  const living = (job: ModelJob) =>
    ['scheduled', 'ready', 'held', 'running'].includes(job.machine.state.kind);
  const inHands = () => workers.flatMap(({ hand }) => hand);
  const locks = () => inHands().flatMap((claimed) => claimed.locks);
  const locksOfJob = (job: ModelJob) => locksOf({ ...PLACEMENT, ...job });
  const count = (name: string | undefined) => locks().filter((lock) => lock === name).length;
  const keyLock = (job: ModelJob) => locksOfJob(job).find((lock) => lock.startsWith('c'));
  const inLine = (kind: 'ready' | 'held') =>
    [...jobs].filter(([, job]) => is(job, kind)).sort(([, a], [, b]) => a.score - b.score);

  /** Scores are all different here, so that the order is. */
  function freshScore(wanted: number): number {
    const used = new Set([...jobs.values()].map(({ score }) => score));
    let score = wanted;
    while (used.has(score)) score++;
    return score;
  }

  async function doEnqueue(step: Extract<Step, { kind: 'enqueue' }>): Promise<void> {
    const runAtMs = nowMs + step.delayMs;
    const { order, delayMs, commits, kind: _, ...rest } = step;
    const score = freshScore(scoreAt(runAtMs, order));
    const prepared: PreparedJob = makeJob(queue, { ...rest, runAtMs, score, isScheduled: delayMs > 0 });
    const twin = [...jobs.values()].find(
      (job) => living(job) && job.uniqueKey !== undefined && job.uniqueKey === step.uniqueKey,
    );
    const written = stores.transact(async (tx) => {
      await stores.jobs.insert(tx, [prepared]);
      if (!commits) throw new Impossible('rolled back');
    });
    if (twin && step.onDuplicate === 'reject') {
      await assert.rejects(written, { code: 'job_duplicate' });
      return;
    }
    if (!commits) {
      await assert.rejects(written, Impossible);
      return;
    }
    await written;
    if (twin && step.onDuplicate === 'ignore') return;
    if (twin) move(twin, { kind: 'removed', by: 'replaced' });
    const { uniqueKey, concurrencyKey, attemptsMax } = step;
    const state = delayMs > 0 ? ({ kind: 'scheduled', runAtMs } as const) : ({ kind: 'ready' } as const);
    jobs.set(prepared.jobId, {
      machine: { state, attempts: 0, attemptsMax },
      score,
      uniqueKey,
      concurrencyKey,
    });
  }

  async function doTurn({ worker: index, ends, want }: Extract<Step, { kind: 'turn' }>): Promise<void> {
    const worker = workers[index] as ModelWorker;
    const by = { done: [] as ClaimedJob[], failed: [] as ClaimedJob[], nonRetryable: [] as ClaimedJob[] };
    const kept: ClaimedJob[] = [];
    const freed = new Set<string>();
    const retry = new Map<string, { runAtMs: number; score: number }>();
    const backoff = () => ({ runAtMs: nowMs + 3000, score: freshScore(scoreAt(nowMs + 3000, retry.size)) });

    worker.hand.forEach((claimed, at) => {
      const job = jobs.get(claimed.jobId) as ModelJob;
      const wanted = ends[at % ends.length] as End;
      if (wanted === 'keep') {
        kept.push(claimed);
        return;
      }
      if (wanted === 'give_back') {
        if (is(job, 'running')) move(job, { kind: 'given_back' });
        return;
      }
      const ending =
        wanted === 'failed' && claimed.attempts + 1 >= claimed.attemptsMax ? 'nonRetryable' : wanted;
      by[ending].push(claimed);
      // One that has been replaced meanwhile has no row any more.
      if (!is(job, 'running')) return;
      if (keyLock(job)) freed.add(keyLock(job) as string);
      if (ending === 'done') move(job, { kind: 'succeeded' });
      else if (ending === 'nonRetryable') move(job, { kind: 'failed', retryAtMs: undefined });
      else {
        const again = backoff();
        retry.set(claimed.jobId, again);
        job.score = again.score;
        move(job, { kind: 'failed', retryAtMs: again.runAtMs });
      }
    });

    const isLost = worker.lease === undefined && worker.untilMs > 0;
    const answer = await stores.jobs.completeAndClaim(
      makeTurn(queue, {
        worker: `worker ${index}`,
        lease: worker.lease,
        nowMs,
        untilMs: nowMs + LEASE_MS,
        done: by.done.map(({ jobId }) => ({ jobId, result: undefined })),
        failed: [...by.failed, ...by.nonRetryable].map(({ jobId }) => ({
          jobId,
          error: 'e',
          retry: retry.get(jobId) ?? (by.failed.some((each) => each.jobId === jobId) ? backoff() : undefined),
        })),
        kept,
        want,
        perKey: { concurrency: keyConcurrency },
      }),
    );
    assert(answer.kind === 'held', `a live lease is held ${isLost}`);
    worker.lease = answer.lease;
    worker.untilMs = nowMs + LEASE_MS;
    worker.hand = kept;

    for (const name of freed) {
      const waiting = inLine('held').filter(([, job]) => keyLock(job) === name);
      for (const [, job] of waiting.slice(0, keyConcurrency)) move(job, { kind: 'released' });
    }
    const isFree = (job: ModelJob) =>
      !locksOfJob(job).some((lock) => lock.startsWith('u') && locks().includes(lock));
    const candidates = inLine('ready')
      .filter(([, job]) => isFree(job))
      .slice(0, want);
    const taken: string[] = [];
    const room = new Map<string, number>();
    for (const [jobId, job] of candidates) {
      const name = keyLock(job);
      const used = name === undefined ? 0 : (room.get(name) ?? 0);
      if (name !== undefined) room.set(name, used + 1);
      if (name !== undefined && used + count(name) >= keyConcurrency) {
        move(job, { kind: 'held' });
      } else {
        move(job, { kind: 'claimed' });
        taken.push(jobId);
      }
    }
    assert.deepEqual(
      answer.jobs.map(({ jobId }) => jobId),
      taken,
    );
    worker.hand = [...kept, ...answer.jobs];
  }

  async function doReap(): Promise<void> {
    await stores.jobs.reap([queue], nowMs);
    for (const worker of workers) {
      if (!worker.lease || worker.untilMs >= nowMs) continue;
      for (const { jobId } of worker.hand) {
        const job = jobs.get(jobId) as ModelJob;
        if (!is(job, 'running')) continue;
        const stored = await stores.inspection.find(jobId);
        const retryAtMs = stored?.runAtMs ?? 0;
        const most = nowMs + 1000 * 2 ** Math.min(job.machine.attempts, 9);
        if (stored?.state === 'scheduled')
          assert(retryAtMs >= nowMs && retryAtMs <= most, 'the wait is bounded');
        move(job, { kind: 'worker_lost', retryAtMs });
      }
      worker.lease = undefined;
      worker.hand = [];
    }
  }

  async function doReleaseOrphans(): Promise<void> {
    await stores.maintenance.releaseOrphans(nowMs);
    const names = new Set(inLine('held').map(([, job]) => keyLock(job)));
    for (const name of names) {
      if (name === undefined || locks().includes(name)) continue;
      const first = inLine('held').find(([, job]) => keyLock(job) === name);
      if (first) move(first[1], { kind: 'released' });
    }
  }

  async function doPromote(): Promise<void> {
    await stores.jobs.promote(nowMs, 1000);
    for (const job of jobs.values()) {
      const { state } = job.machine;
      if (state.kind === 'scheduled' && state.runAtMs <= nowMs) move(job, { kind: 'due', nowMs });
    }
  }

  async function doByHand(kind: 'discard' | 'redrive' | 'hasten', picked: number): Promise<void> {
    const [jobId, job] = [...jobs][picked % Math.max(1, jobs.size)] ?? [];
    if (jobId === undefined || job === undefined) return;
    const { inspection } = stores;
    if (kind === 'discard') {
      const done = is(job, 'dead')
        ? await inspection.discardEach([jobId], nowMs)
        : await inspection.withdraw(queue, [jobId], 'discarded', nowMs);
      const can = is(job, 'dead') || (living(job) && !is(job, 'running'));
      assert.equal(done.length, can ? 1 : 0);
      if (can) move(job, { kind: 'removed', by: 'discarded' });
      return;
    }
    const score = freshScore(scoreAt(nowMs, 4000));
    if (kind === 'hasten') {
      const can = is(job, 'scheduled');
      assert.equal(await inspection.hasten(jobId, score, nowMs), can);
      if (!can) return;
      move(job, { kind: 'retried' });
      job.score = score;
      return;
    }
    const twin = [...jobs.values()].some(
      (other) => living(other) && other.uniqueKey !== undefined && other.uniqueKey === job.uniqueKey,
    );
    const can = is(job, 'dead') && !twin;
    assert.equal((await inspection.redrive([{ jobId, score }], nowMs)).length, can ? 1 : 0);
    if (!can) return;
    move(job, { kind: 'redriven' });
    job.score = score;
  }

  async function check(): Promise<void> {
    const stored = await stores.inspection.list({ queue, limit: 1000 });
    const found = stored.map(({ jobId, state, attempts }) => [
      jobId,
      state,
      state === 'done' ? attempts - 1 : attempts,
    ]);
    const expected = [...jobs].map(([jobId, { machine }]) => {
      const { state, attempts } = machine;
      return [jobId, state.kind === 'gone' ? state.by : state.kind, attempts];
    });
    assert.deepEqual(found.toSorted(), expected.toSorted());
  }

  for (const step of steps) {
    if (step.kind === 'enqueue') await doEnqueue(step);
    else if (step.kind === 'turn') await doTurn(step);
    else if (step.kind === 'pass') nowMs += step.ms;
    else if (step.kind === 'promote') await doPromote();
    else if (step.kind === 'reap') await doReap();
    else if (step.kind === 'release_orphans') await doReleaseOrphans();
    else await doByHand(step.kind, step.pick);
    await check();
  }
}
