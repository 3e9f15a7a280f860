/**
 * The conformance suite of the port: every engine passes it. What the fence does to transactions is tested with the
 * engine that has them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Queryable } from '#blocks/database';
import type { LeaseStore } from './store.ts';

/** @param make a store in which the lease `relay` has never been taken, and something to fence by */
export function leaseStoreSuite(
  name: string,
  make: () => Promise<{ store: LeaseStore; tx: Queryable }>,
): void {
  takingSuite(name, make);
  keepingSuite(name, make);
}

function takingSuite(name: string, make: () => Promise<{ store: LeaseStore; tx: Queryable }>): void {
  test(`${name}: of those who take a new lease at once, one gets it`, async () => {
    const { store } = await make();
    assert.equal(await store.look('relay'), undefined);
    const takers = Array.from({ length: 8 }, (_, i) => store.take('relay', `h${i}`, undefined));
    const taken = (await Promise.all(takers)).filter((held) => held !== undefined);
    assert.deepEqual(taken, [{ name: 'relay', epoch: 1 }]);
    const mark = await store.look('relay');
    assert.equal(mark?.epoch, 1);
    assert.match(mark?.holder ?? '', /^h\d$/);
  });

  test(`${name}: a lease whose beat has stood still goes to one of those who saw it so`, async () => {
    const { store } = await make();
    await store.take('relay', 'first', undefined);
    const seen = await store.look('relay');
    const takers = Array.from({ length: 8 }, (_, i) => store.take('relay', `h${i}`, seen));
    const taken = (await Promise.all(takers)).filter((held) => held !== undefined);
    assert.deepEqual(taken, [{ name: 'relay', epoch: 2 }]);
  });

  test(`${name}: a lease that has beaten since it was seen is not taken`, async () => {
    const { store } = await make();
    const held = await store.take('relay', 'first', undefined);
    const seen = await store.look('relay');
    assert.equal(await store.beat(held!), true);
    assert.equal(await store.take('relay', 'second', seen), undefined);
    assert.equal((await store.look('relay'))?.holder, 'first');
  });
}

function keepingSuite(name: string, make: () => Promise<{ store: LeaseStore; tx: Queryable }>): void {
  test(`${name}: a holder that has been followed can neither beat nor release nor pass the fence`, async () => {
    const { store, tx } = await make();
    const old = await store.take('relay', 'first', undefined);
    await store.fence(tx, old!);
    const now = await store.take('relay', 'second', await store.look('relay'));
    assert.equal(await store.beat(old!), false);
    await store.release(old!);
    await assert.rejects(store.fence(tx, old!), { code: 'lease_lost' });
    assert.equal((await store.look('relay'))?.holder, 'second');
    assert.equal(await store.beat(now!), true);
    await store.fence(tx, now!);
  });

  test(`${name}: a released lease is free at once, and its late beats and fences have no effect`, async () => {
    const { store, tx } = await make();
    const held = await store.take('relay', 'first', undefined);
    await store.release(held!);
    assert.equal(await store.beat(held!), false);
    await assert.rejects(store.fence(tx, held!), { code: 'lease_lost' });
    const free = await store.look('relay');
    assert.equal(free?.holder, undefined);
    const next = await store.take('relay', 'second', free);
    assert(next!.epoch > held!.epoch);
  });

  test(`${name}: leases do not touch each other`, async () => {
    const { store } = await make();
    const held = await store.take('relay', 'first', undefined);
    const other = await store.take('cron', 'second', undefined);
    await store.release(other!);
    assert.equal(await store.beat(held!), true);
  });
}
