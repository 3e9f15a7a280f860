import { checkOf } from '../checks.ts';
import type { Evidence, Scenario } from '../scenario.ts';
import { DRILL_CONFIGURATION, waitForShare } from './steps.ts';

/** Share of the load's time that the workers are away. */
const DOWN_SHARE = 0.4;

/** What was acknowledged while no worker ran, and has enqueued a job. */
function enqueuedMeanwhile({ loaded, windows, zeroMs }: Evidence): number {
  const [window] = windows;
  if (window === undefined) return 0;
  return loaded.filter(
    ({ planned, outcome, endedMs }) =>
      planned.operation.job !== undefined &&
      outcome === 'ok' &&
      endedMs - zeroMs > window.fromMs &&
      endedMs - zeroMs < window.healedMs,
  ).length;
}

export const workersDown: Scenario = {
  name: 'workers-down',
  summary:
    'The process that works off jobs is killed and stays away for a while: requests still enqueue, none fails, and every job runs once it is back.',
  topology: {
    servers: [
      { name: 'api', role: 'api' },
      { name: 'worker', role: 'worker', joins: 'api' },
    ],
    loaded: 'api',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { own: 'a worker apart that it can start again' },
  emphasis: { jobs: 3 },
  seconds: 20,
  secondsMin: 10,
  ratePerS: 300,
  connections: 32,
  timeoutMs: 5000,
  bounds: { failedShareMax: 0, recoverMsMax: 1000 },
  async run(stage) {
    const worker = stage.topology.ownServer('worker');
    await waitForShare(stage, [0.1, 0.25]);
    stage.mark('fault', `kill -9 of the worker, pid ${worker.pid()}`);
    await worker.kill();
    await stage.wait(stage.seconds * 1000 * DOWN_SHARE);
    await worker.start();
    stage.mark('heal', `a worker runs again, pid ${worker.pid()}`);
  },
  checks(evidence) {
    const enqueued = enqueuedMeanwhile(evidence);
    const problems = enqueued > 0 ? [] : ['nothing was enqueued while the workers were away'];
    return [checkOf('requests enqueue while no worker runs', `${enqueued} jobs`, problems)];
  },
};
