/**
 * Which block may import which, and why. An edge that nothing uses is a finding, as is an import without an edge.
 */
export interface Edge {
  from: string;
  to: string;
  reason: string;
}

export const edges: readonly Edge[] = [
  {
    from: 'backup',
    to: 'database',
    reason: 'its tests write and read rows, and schedules are rows',
  },
  {
    from: 'backup',
    to: 'postgres',
    reason:
      'what is backed up and restored is Postgres; a directory of backups is locked as a data directory is',
  },
  { from: 'database', to: 'postgres', reason: 'the embedded engine, the driver, and positions in the log' },
  { from: 'backup', to: 'ids', reason: 'its tests name jobs, as the queue does' },
  { from: 'backup', to: 'queue', reason: 'a scheduled backup is a job' },
  { from: 'discovery', to: 'database', reason: 'the registry is a table' },
  { from: 'idempotency', to: 'database', reason: 'outcomes are rows, kept in the business transaction' },
  { from: 'identity', to: 'database', reason: 'API keys are rows' },
  { from: 'identity', to: 'limiter', reason: 'an address may ask for so many keys that do not exist' },
  { from: 'ids', to: 'database', reason: 'worker numbers and short-code counters are leased in Postgres' },
  {
    from: 'journal',
    to: 'database',
    reason: 'records are shipped into Postgres',
  },
  { from: 'journal', to: 'postgres', reason: 'a journal directory is locked as a data directory is' },
  { from: 'leases', to: 'database', reason: 'a lease is a row' },
  { from: 'mutation', to: 'database', reason: 'everything of a mutation is one transaction' },
  { from: 'mutation', to: 'idempotency', reason: 'the outcome is kept with what it stands for' },
  {
    from: 'mutation',
    to: 'ids',
    reason: 'its tests put the parts together: jobs and events are named by ids',
  },
  {
    from: 'mutation',
    to: 'leases',
    reason: 'its tests put the parts together: the relay works under a lease',
  },
  { from: 'mutation', to: 'outbox', reason: 'events are written with the rows they tell of' },
  { from: 'mutation', to: 'queue', reason: 'jobs are written with the rows they belong to' },
  { from: 'mutation', to: 'stream', reason: 'its tests look for the events where the relay has put them' },
  { from: 'outbox', to: 'database', reason: 'the outbox is a table, written in the business transaction' },
  { from: 'outbox', to: 'ids', reason: 'events are named before they are written' },
  { from: 'outbox', to: 'leases', reason: 'one process at a time relays' },
  { from: 'outbox', to: 'stream', reason: 'the relay appends to the log' },
  { from: 'outbox', to: 'wakeup', reason: 'a relay learns of events of other processes' },
  { from: 'plan', to: 'database', reason: 'what rows take on disk, and what a primary can feed' },
  { from: 'plan', to: 'idempotency', reason: 'what kept answers take' },
  { from: 'plan', to: 'ids', reason: 'how many processes there may be' },
  { from: 'plan', to: 'mutation', reason: 'how much a mutation writes into the log of changes' },
  { from: 'plan', to: 'outbox', reason: 'what a full outbox takes' },
  { from: 'plan', to: 'queue', reason: 'what finished jobs take' },
  { from: 'plan', to: 'stream', reason: 'what the log of events takes' },
  {
    from: 'projection',
    to: 'database',
    reason: 'a projection is a table, and is compared and remade in snapshots',
  },
  { from: 'projection', to: 'leases', reason: 'its tests put a whole ground together' },
  { from: 'projection', to: 'outbox', reason: 'events that wait there belong to a table that is compared' },
  { from: 'projection', to: 'stream', reason: 'a projection is made from the events of a stream' },
  { from: 'queue', to: 'database', reason: 'jobs are rows, written in the business transaction' },
  { from: 'queue', to: 'wakeup', reason: 'workers learn of jobs of other processes' },
  { from: 'queue', to: 'ids', reason: 'jobs are named before they are written' },
  {
    from: 'references',
    to: 'database',
    reason: "referring rows and targets are read and locked in their systems' transactions",
  },
  { from: 'references', to: 'idempotency', reason: 'its tests put a whole ground together' },
  { from: 'references', to: 'ids', reason: 'its tests put a whole ground together' },
  { from: 'references', to: 'leases', reason: 'its tests put a whole ground together' },
  {
    from: 'references',
    to: 'mutation',
    reason: 'referring rows are removed by mutations, with their events',
  },
  { from: 'references', to: 'outbox', reason: 'deletions wait there on their way' },
  { from: 'references', to: 'queue', reason: 'removals and sweeps are jobs' },
  { from: 'references', to: 'stream', reason: 'deletions are learnt from the log' },
  { from: 'stream', to: 'database', reason: 'the log is a table, and offsets are stored with the effects' },
  { from: 'stream', to: 'wakeup', reason: 'processes learn how far the log has grown' },
  { from: 'stream', to: 'leases', reason: 'partitions are leased in the way that leaders are' },
  {
    from: 'system',
    to: 'database',
    reason: 'a system is given a Database, and its routes state a consistency',
  },
  { from: 'system', to: 'identity', reason: 'a call carries the principal it is made for' },
  { from: 'system', to: 'ids', reason: 'a system is given the ids it names its rows by' },
  { from: 'system', to: 'mutation', reason: 'the one way for a route or a job to write' },
  {
    from: 'doctor',
    to: 'database',
    reason: 'what holds back vacuum, and how Postgres is, is asked of Postgres',
  },
  { from: 'system', to: 'plan', reason: 'a system tells what it costs' },
  { from: 'system', to: 'projection', reason: 'a system declares what is made from its events' },
  { from: 'system', to: 'references', reason: 'a system declares what its rows refer to' },
  { from: 'system', to: 'stream', reason: 'a system may follow what is told, to forget what it has kept' },
  { from: 'system', to: 'queue', reason: 'a system declares its queues and carries out their jobs' },
  { from: 'wakeup', to: 'database', reason: 'processes tell each other by notifications of Postgres' },
];
