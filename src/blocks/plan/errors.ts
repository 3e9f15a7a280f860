import { defineErrors } from '#base/errors';

export const planErrors = defineErrors('plan', {
  workload_invalid: {
    status: 422,
    title: 'A workload has an impossible value',
    doc: 'A key of the workload is unknown or missing, or its value is outside what is allowed. The line names the path, the value and what is allowed; docs/concepts/planning.md lists the keys.',
  },
  plan_file_unusable: {
    status: 422,
    title: 'A file of a plan cannot be used',
    doc: 'The workload or the calibration cannot be read or is no YAML mapping, or the file to write is there already or cannot be made. The line names the file.',
  },
  topology_impossible: {
    status: 422,
    title: 'No topology holds the workload',
    doc: 'Even the largest topology of such servers passes a limit, so there is no configuration to write. The line names the limits; a larger machine, a lower target or fewer reads at once would help.',
  },
});
