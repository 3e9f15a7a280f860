/**
 * The conformance suites of the two ports: every engine passes them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WORKER_MAX } from './layout.ts';
import type { CodeSpaceStore, TakenWorker, WorkerLeaseStore } from './store.ts';

const WORKERS = WORKER_MAX + 1;
const NOW_MS = 1_800_000_000_000;
const HIGH_MS = NOW_MS + 30_000;

const at = (nowMs: number) => ({ holder: 'later', nowMs, highMs: nowMs + 30_000 });

async function takeAll(store: WorkerLeaseStore, highMsOf = (_: number) => HIGH_MS): Promise<TakenWorker[]> {
  const taken: TakenWorker[] = [];
  for (let i = 0; i < WORKERS; i++) {
    const worker = await store.take({ holder: `h${i}`, nowMs: NOW_MS, highMs: highMsOf(i) });
    assert(worker, `worker ${i}`);
    taken.push(worker);
  }
  return taken;
}

/** @param make a store whose 128 workers have never been taken */
export function workerLeaseStoreSuite(name: string, make: () => Promise<WorkerLeaseStore>): void {
  takeSuite(name, make);
  keepSuite(name, make);
}

function takeSuite(name: string, make: () => Promise<WorkerLeaseStore>): void {
  test(`${name}: takes that come at once get different workers, and no more than there are`, async () => {
    const store = await make();
    const wanted = Array.from({ length: WORKERS + 12 }, (_, i) =>
      store.take({ holder: `h${i}`, nowMs: NOW_MS, highMs: HIGH_MS }),
    );
    const taken = (await Promise.all(wanted)).filter((worker) => worker !== undefined);
    assert.deepEqual(
      taken.map(({ worker }) => worker).sort((a, b) => a - b),
      Array.from({ length: WORKERS }, (_, i) => i),
    );
    assert.equal(await store.take(at(NOW_MS)), undefined);
  });

  test(`${name}: a worker is free once its range has ended, and the next range begins there`, async () => {
    const store = await make();
    const [first] = await takeAll(store);
    assert.equal(await store.take(at(HIGH_MS)), undefined);
    const again = await store.take(at(HIGH_MS + 1));
    assert.deepEqual(again, { worker: first?.worker, epoch: first!.epoch + 1, floorMs: HIGH_MS });
  });

  test(`${name}: the least recently used worker is taken first`, async () => {
    const store = await make();
    const taken = await takeAll(store, (i) => HIGH_MS - i);
    const again = await store.take(at(HIGH_MS + 1));
    assert.equal(again?.worker, taken.at(-1)?.worker);
    assert.equal(again?.floorMs, HIGH_MS - (WORKERS - 1));
  });
}

function keepSuite(name: string, make: () => Promise<WorkerLeaseStore>): void {
  test(`${name}: a renewal extends the range and never shortens it`, async () => {
    const store = await make();
    const [first, ...others] = await takeAll(store, (i) => HIGH_MS + i);
    assert.equal(await store.renew(first!.worker, first!.epoch, HIGH_MS + 5000), true);
    assert.equal(await store.renew(first!.worker, first!.epoch, HIGH_MS + 1), true);
    for (const { worker, epoch } of others) assert(await store.renew(worker, epoch, HIGH_MS + 9000));
    assert.equal(await store.take(at(HIGH_MS + 5000)), undefined);
    assert.equal((await store.take(at(HIGH_MS + 5001)))?.floorMs, HIGH_MS + 5000);
  });

  test(`${name}: a holder that has been followed can neither renew nor release`, async () => {
    const store = await make();
    const [old] = await takeAll(store);
    const now = await store.take(at(HIGH_MS + 1));
    assert.equal(now?.worker, old?.worker);
    assert.equal(await store.renew(old!.worker, old!.epoch, HIGH_MS + 90_000), false);
    await store.release(old!.worker, old!.epoch, NOW_MS);
    assert.equal(await store.renew(now!.worker, now!.epoch, HIGH_MS + 40_000), true);
  });

  test(`${name}: a release ends the range at the last millisecond issued and fences renewals on their way`, async () => {
    const store = await make();
    const [first] = await takeAll(store);
    await store.release(first!.worker, first!.epoch, NOW_MS + 7);
    assert.equal(await store.renew(first!.worker, first!.epoch, HIGH_MS), false);
    assert.equal(await store.take(at(NOW_MS + 7)), undefined);
    const again = await store.take(at(NOW_MS + 8));
    assert.equal(again?.worker, first?.worker);
    assert.equal(again?.floorMs, NOW_MS + 7);
    assert(again!.epoch > first!.epoch);
  });

  test(`${name}: of a renewal and a taking that come at once, one wins`, async () => {
    const store = await make();
    let [holder] = await takeAll(store, (i) => (i === 0 ? HIGH_MS : HIGH_MS + 1_000_000));
    let endMs = HIGH_MS;
    for (let round = 0; round < 20; round++) {
      const [renewed, taken] = await Promise.all([
        store.renew(holder!.worker, holder!.epoch, endMs + 1000),
        store.take({ holder: 'taker', nowMs: endMs + 1, highMs: endMs + 1000 }),
      ]);
      assert.notEqual(renewed, taken !== undefined);
      if (taken) {
        assert.equal(taken.floorMs, endMs);
        holder = taken;
      }
      endMs += 1000;
    }
  });
}

/** @param make a store without any space */
export function codeSpaceStoreSuite(name: string, make: () => Promise<CodeSpaceStore>): void {
  const key = (byte: number) => new Uint8Array(32).fill(byte);

  test(`${name}: the first key of a space is its key for ever`, async () => {
    const store = await make();
    assert.deepEqual([...(await store.open('links', key(1)))], [...key(1)]);
    assert.deepEqual([...(await store.open('links', key(2)))], [...key(1)]);
    assert.deepEqual([...(await store.open('files', key(3)))], [...key(3)]);
  });

  test(`${name}: all who open a new space at once get one key`, async () => {
    const store = await make();
    const keys = await Promise.all(Array.from({ length: 16 }, (_, i) => store.open('links', key(i))));
    assert.equal(new Set(keys.map((found) => Buffer.from(found).toString('hex'))).size, 1);
  });

  test(`${name}: no number is leased twice, and none is left out`, async () => {
    const store = await make();
    await store.open('links', key(1));
    await store.open('files', key(1));
    const counts = Array.from({ length: 60 }, (_, i) => 1 + (i % 7));
    const leased = await Promise.all(
      counts.map(async (count) => ({ count, first: await store.lease('links', count) })),
    );
    let next = 0;
    for (const { count, first } of leased.toSorted((a, b) => a.first - b.first)) {
      assert.equal(first, next);
      next += count;
    }
    assert.equal(await store.lease('files', 1), 0);
  });

  test(`${name}: counters beyond 32 bits stay exact`, async () => {
    const store = await make();
    await store.open('links', key(1));
    for (const first of [0, 2 ** 40, 2 ** 41]) assert.equal(await store.lease('links', 2 ** 40), first);
  });
}
