import { defineErrors } from '#base/errors';

export const cliErrors = defineErrors('cli', {
  installation_missing: {
    status: 500,
    title: 'There is no installation here',
    doc: 'A command looked for a database and found none: the data directory does not exist, or no server has ever started in it. Name it with `--data`, or a Postgres of your own with `--database`. Only `loadstone start` makes one.',
  },
  installation_unreadable: {
    status: 500,
    title: 'This user may not read the installation',
    doc: 'The data directory, or a part of it, belongs to another user. Run the command as the user that runs the server: whoever may not read the files may not reach its Postgres either.',
  },
  child_failed: {
    status: 500,
    title: 'A process of the server did not start',
    doc: 'One of the processes that `processes` asks for ended before it could serve, with the reason that is told. At the start that ends all of them; later the others go on, and it is tried again.',
  },
  watch_impossible: {
    status: 500,
    title: 'There is nothing to watch, or it cannot be watched',
    doc: '`start --watch` restarts when a file of a system changes that `systems` names by a path. It needs such a system, with at most 1,000 directories, and as many watches of the operating system (Linux: `fs.inotify.max_user_watches`).',
  },
  owner_missing: {
    status: 500,
    title: 'There is no server to join',
    doc: '`start --join` adds a process to an installation whose server runs with an embedded Postgres, and found none in the directory. Start one there first.',
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
