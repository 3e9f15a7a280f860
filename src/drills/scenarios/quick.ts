import type { Scenario } from '../scenario.ts';
import { DRILL_CONFIGURATION, killChild, killPostmaster, untilWell, waitForShare } from './steps.ts';

export const quick: Scenario = {
  name: 'quick',
  summary:
    'One of the processes that serve is killed (kill -9) under load, then the database: all that was acknowledged is there.',
  topology: {
    servers: [{ name: 'server', processes: 2 }],
    loaded: 'server',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { processes: 2, standbys: 0 },
  seconds: 20,
  secondsMin: 12,
  ratePerS: 250,
  connections: 32,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 8000 },
  async run(stage) {
    await waitForShare(stage, [0.1, 0.15]);
    await killChild(stage, 'server');
    await untilWell(stage, 'server');
    await killPostmaster(stage, 'server');
  },
};
