import { defineErrors } from '#base/errors';

export const databaseErrors = defineErrors('database', {
  database_unavailable: {
    status: 503,
    title: 'The database cannot be reached',
    retryable: true,
    doc: 'Postgres is starting, restarting or unreachable. Nothing was written. Retry after the time in `Retry-After`.',
  },
  database_full: {
    status: 503,
    title: 'The database has no room left',
    retryable: true,
    doc: 'The disk of the database is full. Nothing was written and nothing written before is lost; reads go on. Make room, then retry.',
  },
  database_busy: {
    status: 503,
    title: 'The database has too much waiting work',
    retryable: true,
    doc: 'As many requests as `database.waitMax` allows are already waiting for a connection, or this one has waited for five seconds. Nothing was written; retry later.',
  },
  database_conflict: {
    status: 503,
    title: 'The write collided with others each time it was tried',
    retryable: true,
    doc: 'Other transactions changed the same rows at the same time, in every one of several tries. Nothing was written; retry later.',
  },
  outcome_unknown: {
    status: 503,
    title: 'Whether the write took place is not known',
    retryable: true,
    doc: 'The connection broke while the commit was under way, so it may or may not have happened. Read the resource back before repeating the request.',
  },
  database_failed: {
    status: 500,
    title: 'The database refused a statement',
    doc: 'A statement failed for a reason that the program did not expect. The log line with the same trace id has the cause.',
  },
  database_unsupported: {
    status: 500,
    title: 'The database cannot be used',
    doc: 'The address `database.primary` or one of `database.replicas` is malformed, the primary is a standby or older than Postgres 17, its login cannot log in or may not create the roles and schemas that Loadstone needs, a pooler in between drops startup options, or options contradict each other. The server does not start.',
  },
  migration_failed: {
    status: 500,
    title: 'The database could not be brought up to date',
    doc: 'A migration failed, was altered after it had been applied, or is missing. Nothing of it was kept (unless it is marked `-- no-transaction`); the server does not start.',
  },
  database_too_new: {
    status: 500,
    title: 'The database is newer than this program can work with',
    doc: 'A later version has migrated the database past the point at which this version may still use it. Start that version or a later one.',
  },
});
