import { defineErrors } from '#base/errors';

export const projectionErrors = defineErrors('projection', {
  projection_unknown: {
    status: 404,
    title: 'There is no projection of this name',
    doc: 'A projection was asked for that no system of this server declares. `loadstone verify` without a name lists them.',
  },
  projection_not_built: {
    status: 409,
    title: 'The projection has not been built yet',
    doc: 'No server has started with this projection so far. The first one that does builds it from the truth.',
  },
  projection_behind: {
    status: 503,
    title: 'The projection is too far behind',
    retryable: true,
    doc: 'More events than `projection.pendingMax` wait to be applied, or to be moved to the log. Nothing was compared or changed. Repeat when the lag of the consumer or of the relay has gone down.',
  },
  projection_table_unsupported: {
    status: 500,
    title: 'The table of the projection cannot be remade',
    doc: 'The table has something that cannot be carried over to another one, such as a trigger, a foreign key, a view on it or an identity column. The detail names it. Nothing was changed.',
  },
  rebuild_running: {
    status: 409,
    title: 'The projection is being rebuilt',
    retryable: true,
    doc: 'Another rebuild of the same projection is under way, or has taken over from this one after its connection was lost. Wait for it.',
  },
  rebuild_refused_event: {
    status: 500,
    title: 'An event could not be applied during a rebuild',
    retryable: true,
    doc: 'The projection refuses an event that was written while it was being rebuilt. Its table is as it was. The next rebuild begins after that event; if it meets others, the projection is wrong about them and has to be corrected first.',
  },
  rebuild_stalled: {
    status: 503,
    title: 'The events written before the rebuild do not reach the log',
    retryable: true,
    doc: 'A rebuild waits until the relay has moved to the log what was in the outbox when it began, and it did not within `projection.waitMs`. The table is as it was. See why the relay stands still, and repeat.',
  },
  rebuild_blocked: {
    status: 503,
    title: 'The rebuilt table could not take its place',
    retryable: true,
    doc: 'The table was in use by a transaction that did not end, or events came faster than they could be applied, for `projection.waitMs`. The table is as it was. Repeat at a quieter time.',
  },
  rebuild_overtaken: {
    status: 409,
    title: 'The table was changed while it was being rebuilt',
    retryable: true,
    doc: 'A migration changed the table of a projection after its rebuild had begun. The table is as the migration left it. Repeat.',
  },
});
