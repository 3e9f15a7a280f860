/**
 * Workers that are killed while they work.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, systemClock } from '#base/clock';
import type { Random } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { makeTestDirectory } from '#fixtures/database';
import type { UncheckedJob } from './job.ts';
import { never, PLACEMENT, type TestQueue, type TestQueues } from './queue.fixture.ts';
import type { WorkerProcessArguments } from './worker/worker-process.fixture.ts';

const PROGRAM = join(import.meta.dirname, 'worker', 'worker-process.fixture.ts');
const POLL_MS = 20;
async function startWorker(given: WorkerProcessArguments): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(given)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit').then(() => assert.fail('the worker did not start'));
  await Promise.race([once(child.stdout!, 'data'), ended]);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.stdin?.end();
  await ended;
}

/** Jobs that are not done, none of which may be dead. Asked in the order in which a job goes on, so that none is missed. */
async function left({ queue }: TestQueue, name: string): Promise<number> {
  let found = 0;
  for (const state of ['running', 'scheduled', 'ready', 'running', 'dead'] as const)
    found += (await queue.inspection.list({ queue: name, state, limit: 1 })).length;
  return found;
}

export interface CrashSettings {
  leaseMs: number;
  jobs: number;
  /** From the kill until every job must have ended. */
  recoveryMsMax: number;
  random: Random;
}

export interface CrashResult {
  /** How many jobs were carried out more than once. */
  repeated: number;
  /** From the kill to the last job's end. */
  recoveredMs: number;
}

/**
 * Two worker processes on one queue, one of which is killed at a random moment: every job is carried out at least once,
 * and all are done within `recoveryMsMax`.
 */
export async function crash(all: TestQueues, name: string, settings: CrashSettings): Promise<CrashResult> {
  const { leaseMs, jobs, recoveryMsMax, random } = settings;
  const queue = all.make({ definitions: [{ name }], options: { leaseMs } });
  const effects = join(makeTestDirectory(), 'effects');
  const given = { primary: all.db.url, leaseMs, queue: name, concurrency: 10, effects };
  const carriedOut = () => (existsSync(effects) ? readFileSync(effects, 'utf8').trim().split('\n') : []);
  const workers = await Promise.all([startWorker(given), startWorker(given)]);
  try {
    const batch: UncheckedJob[] = Array.from({ length: jobs }, (_, number) => ({
      queue: name,
      payload: number,
    }));
    const ids = await queue.queue.enqueueGrouped(PLACEMENT, batch, { signal: never });
    const killAt = Math.floor(jobs * (0.05 + 0.8 * random.fraction()));
    await eventually('enough has been done', () => carriedOut().length >= killAt);
    const killedMs = systemClock.monotonicMs();
    workers[0]!.kill('SIGKILL');
    const untilMs = killedMs + recoveryMsMax;
    while ((await left(queue, name)) > 0 && systemClock.monotonicMs() < untilMs)
      await sleep(systemClock, POLL_MS);
    const recoveredMs = systemClock.monotonicMs() - killedMs;
    const effect = carriedOut();
    assert.equal(await left(queue, name), 0, `jobs are left after ${recoveredMs} ms`);
    const seen = new Set(effect);
    assert.equal(ids.filter((id) => !seen.has(id)).length, 0, 'each job is carried out');
    return { repeated: effect.length - jobs, recoveredMs };
  } finally {
    await Promise.all(workers.map(end));
  }
}
