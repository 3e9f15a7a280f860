import { defineErrors } from '#base/errors';

export const calibrationErrors = defineErrors('cli', {
  calibration_impossible_here: {
    status: 500,
    title: 'This machine cannot be calibrated',
    doc: 'Calibration reads what processes use from /proc, and starts a server with an embedded Postgres: it needs Linux. Elsewhere a plan is made with the shipped default.',
  },
  calibration_failed: {
    status: 500,
    title: 'The machine could not be measured',
    doc: 'The server under calibration answered hardly any request well, so that its figures would mean nothing, others were so busy that its figures contradict each other, or the file for them cannot be written or is there already. The line says which. Calibrate again on a machine that does nothing else.',
  },
});
