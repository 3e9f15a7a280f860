import { codeSpaceStoreSuite, workerLeaseStoreSuite } from '../store.suite.ts';
import { createMemoryCodeSpaces, createMemoryWorkerLeases } from './memory.ts';

workerLeaseStoreSuite('worker leases in memory', async () => createMemoryWorkerLeases());
codeSpaceStoreSuite('code spaces in memory', async () => createMemoryCodeSpaces());
