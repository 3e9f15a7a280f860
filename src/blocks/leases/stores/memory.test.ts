import type { Queryable } from '#blocks/database';
import { leaseStoreSuite } from '../store.suite.ts';
import { createMemoryLeases } from './memory.ts';

/** A fence in memory asks nothing of the transaction. */
const tx = {} as Queryable;
leaseStoreSuite('leases in memory', async () => ({ store: createMemoryLeases(), tx }));
