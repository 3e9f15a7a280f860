import type { Observations } from './observations.ts';

/** A database with which all is well. */
export function makeObservations(given: Partial<Observations> = {}): Observations {
  const settings = {
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    autovacuum: 'on',
    track_counts: 'on',
    track_activities: 'on',
  };
  return {
    holders: { kind: 'known', value: [] },
    canSeeSessions: { kind: 'known', value: true },
    tables: { kind: 'known', value: [] },
    ages: {
      kind: 'known',
      value: [{ database: 'loadstone', ageTransactions: 1000, ageMultixacts: 10 }],
    },
    settings: { kind: 'known', value: settings },
    connections: { kind: 'known', value: { used: 20, usable: 57 } },
    disk: { kind: 'known', value: { bytes: 9_000_000, tables: [{ name: 'core.jobs', bytes: 3_000_000 }] } },
    invalidIndexes: { kind: 'known', value: [] },
    ...given,
  };
}
