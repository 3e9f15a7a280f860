import type { Scenario } from '../scenario.ts';
import { DRILL_CONFIGURATION, killPostmaster, waitForShare } from './steps.ts';

export const databaseKilled: Scenario = {
  name: 'database-killed',
  summary:
    'The database is killed (kill -9) under load, and comes back by itself with all that was acknowledged.',
  topology: {
    servers: [{ name: 'server' }],
    loaded: 'server',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { processes: 1, standbys: 0 },
  seconds: 20,
  secondsMin: 12,
  ratePerS: 300,
  connections: 32,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 8000 },
  async run(stage) {
    await waitForShare(stage, [0.2, 0.35]);
    await killPostmaster(stage, 'server');
  },
};
