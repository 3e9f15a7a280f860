export { leasesErrors } from './errors.ts';
export { createFailureDetector, type FailureDetector } from './failure-detector.ts';
export { createLeader, type Leader, type LeaderDeps, nameHolder } from './leader.ts';
export { leasesMigrations } from './migrations.ts';
export { type LeasesOptions, leasesOptions } from './options.ts';
export type { Held, LeaseMark, LeaseStore } from './store.ts';
export { createMemoryLeases } from './stores/memory.ts';
export { createPostgresLeases } from './stores/postgres.ts';
