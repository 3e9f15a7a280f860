import { defineErrors } from '#base/errors';

export const planCapacityErrors = defineErrors('plan', {
  usl_points_too_few: {
    status: 422,
    title: 'Too few measurements to fit the scalability law',
    doc: 'The universal scalability law has three parameters, so a fit that also says how sure it is needs throughputs at four different concurrencies. Measure at more of them.',
  },
  usl_point_invalid: {
    status: 422,
    title: 'A measurement cannot be',
    doc: 'A concurrency is at least 1 and a throughput above 0; a measurement in which nothing was answered says nothing about scalability.',
  },
  usl_no_fit: {
    status: 422,
    title: 'The measurements do not follow the scalability law',
    doc: 'Throughput falls with concurrency so steeply that no law with a finite throughput of one request describes it. Something else changed between the measurements: measure again on a quiet machine.',
  },
  calibration_invalid: {
    status: 422,
    title: 'This is no calibration',
    doc: 'The file was not written by `loadstone calibrate`, was edited, or is of another format. The line names the first thing that is wrong. Calibrate again, or leave the file out: then the shipped default counts.',
  },
});
