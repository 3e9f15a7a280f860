export { leasesErrors } from './errors.ts';
export { createLeader, type Leader, type LeaderDeps, nameHolder } from './leader.ts';
export { leasesMigrations } from './migrations.ts';
export { type LeasesOptions, leasesOptions } from './options.ts';
export { createStillness, type Stillness } from './stillness.ts';
export type { Held, LeaseMark, LeaseStore } from './store.ts';
export { createMemoryLeases } from './stores/memory.ts';
export { createPostgresLeases } from './stores/postgres.ts';
