/**
 * The stress test that every lifecycle runs: whatever the order of calls, each settles, and a stopped one is stopped.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './clock.ts';
import { createDeadline, withSignal } from './deadline.ts';
import type { Lifecycle } from './lifecycle.ts';

const SETTLE_MS_MAX = 60_000;

async function settles(what: string, work: Promise<unknown>): Promise<PromiseSettledResult<unknown>> {
  const deadline = createDeadline(systemClock, SETTLE_MS_MAX);
  const timedOut = new Promise<never>((_, reject) => {
    deadline.signal.addEventListener('abort', () => reject(new Error(`${what} did not settle`)));
  });
  const [result] = await Promise.allSettled([Promise.race([work, timedOut])]);
  deadline.done();
  assert(
    !(result.status === 'rejected' && /did not settle/.test(String(result.reason))),
    `${what} did not settle`,
  );
  return result;
}

const never = () => new AbortController().signal;

/**
 * @param make a fresh lifecycle for each test; its resources must be free again once it has stopped
 */
export function lifecycleSuite(name: string, make: () => Promise<Lifecycle>): void {
  test(`${name}: starts, is healthy, stops, is not`, async () => {
    const it = await make();
    assert.equal(it.health().status, 'failing');
    await it.start(never());
    assert.deepEqual(it.health(), { status: 'ok' });
    await it.stop(never());
    assert.equal(it.health().status, 'failing');
  });

  test(`${name}: stop before start, and start after stop`, async () => {
    const it = await make();
    await it.stop(never());
    await assert.rejects(it.start(never()), { code: 'stopped' });
    await it.stop(never());
  });

  test(`${name}: concurrent starts and stops each settle once`, async () => {
    const it = await make();
    const starts = await settles('starts', Promise.all([it.start(never()), it.start(never())]));
    assert.equal(starts.status, 'fulfilled');
    const stops = await settles('stops', Promise.all([it.stop(never()), it.stop(never()), it.stop(never())]));
    assert.equal(stops.status, 'fulfilled');
    assert.equal(it.health().status, 'failing');
  });

  test(`${name}: stop while starting cancels the start`, async () => {
    const it = await make();
    const start = settles('start', it.start(never()));
    await settles('stop', it.stop(never()));
    await start;
    assert.equal(it.health().status, 'failing');
  });

  test(`${name}: an aborted start cleans up after itself`, async () => {
    const it = await make();
    const controller = new AbortController();
    const start = settles('start', it.start(controller.signal));
    controller.abort(new Error('changed our mind'));
    const result = await start;
    if (result.status === 'fulfilled') await it.stop(never());
    assert.equal(it.health().status, 'failing');
    await withSignal(it.stop(never()), never());
  });

  test(`${name}: a stop whose deadline has passed still settles`, async () => {
    const it = await make();
    await it.start(never());
    await settles('stop', it.stop(AbortSignal.abort(new Error('no time left'))));
    assert.equal(it.health().status, 'failing');
  });
}
