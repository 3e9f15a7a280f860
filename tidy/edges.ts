/**
 * Which block may import which, and why. An edge that nothing uses is a finding, as is an import without an edge.
 */
export interface Edge {
  from: string;
  to: string;
  reason: string;
}

export const edges: readonly Edge[] = [
  { from: 'idempotency', to: 'database', reason: 'outcomes are rows, kept in the business transaction' },
  { from: 'identity', to: 'database', reason: 'API keys are rows' },
  { from: 'ids', to: 'database', reason: 'worker numbers and short-code counters are leased in Postgres' },
  {
    from: 'journal',
    to: 'database',
    reason: 'records are shipped into Postgres, and a journal directory is locked as a data directory is',
  },
  {
    from: 'system',
    to: 'database',
    reason: 'a system is given a Database, and its routes state a consistency',
  },
  { from: 'system', to: 'identity', reason: 'a call carries the principal it is made for' },
  { from: 'system', to: 'ids', reason: 'a system is given the ids it names its rows by' },
];
