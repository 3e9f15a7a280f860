import { defineErrors } from '#base/errors';

export const cliErrors = defineErrors('cli', {
  installation_missing: {
    status: 500,
    title: 'There is no installation here',
    doc: 'A command looked for a database and found none: the data directory does not exist, or no server has ever started in it. Name it with `--data`, or a Postgres of your own with `--database`. Only `loadstone start` makes one.',
  },
  group_missing: {
    status: 404,
    title: 'There is no such consumer group',
    doc: 'No consumer has ever opened this group of the stream. `loadstone groups ls` lists those there are.',
  },
  event_not_parked: {
    status: 404,
    title: 'An event is not parked',
    doc: 'The group has parked no event at one of these positions: it has been redriven or discarded, or never was parked. What the command did to the others is done.',
  },
  position_ahead: {
    status: 422,
    title: 'The log has not come so far',
    doc: 'A group was to go on after a position that is higher than the newest one of the log, and would have skipped events that are yet to come.',
  },
});
