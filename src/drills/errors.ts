import { defineErrors } from '#base/errors';

export const drillErrors = defineErrors('drills', {
  drill_not_started: {
    status: 500,
    title: 'The topology of the drill did not start',
    doc: 'A server of the drill ended, or did not become ready in time. The detail has the last that it said. Nothing was drilled, and nothing is left running.',
  },
  drill_not_quiet: {
    status: 500,
    title: 'The drill could not come to an end',
    doc: 'After the load, what was under way did not come to rest in time: events that are not moved, jobs that do not run, or writes whose outcome no server would tell. The detail says what was waited for.',
  },
  drill_refused: {
    status: 500,
    title: 'This installation is not one to drill',
    doc: '`loadstone drill --data` breaks an installation that runs, so it takes only one whose server was started for that, with LOADSTONE_FAULTS and an embedded Postgres, and of which it has been given the root key. Nothing has been done to it.',
  },
  drill_needs_more: {
    status: 500,
    title: 'The installation does not have what the drill needs',
    doc: 'The drill breaks something that the test installation does not have, such as a second process or a standby, or that only servers have which the drill itself has started. Nothing has been done to it.',
  },
  drill_machine_busy: {
    status: 500,
    title: 'This machine is too busy for the drill',
    doc: 'Other processes, or the host of a virtual machine, took so much of its cores that nothing could be found out: not even a low rate of requests was answered in time before anything was broken, or something did not come about in its time. The detail says what. It says nothing of the product; drill again where less is going on.',
  },
  drill_impossible_here: {
    status: 500,
    title: 'This machine cannot carry out the drill',
    doc: 'The drill needs something that is not there: a Linux /proc to tell processes apart, or the right to mount a file system in a namespace. The detail says what.',
  },
});
