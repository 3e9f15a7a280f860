import { checkOf, timed } from '../checks.ts';
import { divide } from '../report/timeline.ts';
import type { Scenario } from '../scenario.ts';
import { DRILL_CONFIGURATION, killChild, waitForShare } from './steps.ts';

const CONNECTIONS = 32;

export const processDies: Scenario = {
  name: 'process-dies',
  summary:
    'One of the processes that serve is killed (kill -9) under load: only what was on its connections fails, and another takes its place.',
  topology: {
    servers: [{ name: 'server', processes: 3 }],
    loaded: 'server',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { processes: 2, standbys: 0 },
  seconds: 20,
  secondsMin: 10,
  ratePerS: 300,
  connections: CONNECTIONS,
  timeoutMs: 5000,
  bounds: { failedShareMax: 0.1, recoverMsMax: 5000 },
  async run(stage) {
    await waitForShare(stage, [0.2, 0.4]);
    await killChild(stage, 'server');
  },
  checks({ loaded, windows, zeroMs }) {
    const failed = divide(loaded, windows, zeroMs).inside.filter(({ isFailure }) => isFailure).length;
    const problems = failed <= CONNECTIONS ? [] : [`${failed} requests failed`];
    return [
      timed(
        checkOf(
          'no more requests fail than there were connections to cut',
          `${failed} of ${CONNECTIONS}`,
          problems,
        ),
      ),
    ];
  },
};
