import type { Scenario, Stage } from '../scenario.ts';
import { DRILL_CONFIGURATION, untilWell, waitForShare } from './steps.ts';

const KILLS = 3;
/** A start that is killed as well lives for so long at most: less than it takes to become ready. */
const STARTING_MS_MAX = 900;
const KILLED_STARTS_SHARE = 0.5;

/** Kills the server that owns the database, perhaps its next start too, and starts it again. */
async function killAndStart(stage: Stage): Promise<void> {
  const server = stage.topology.ownServer('server');
  stage.mark('fault', `kill -9 of the server, pid ${server.pid()}`);
  await server.kill();
  if (stage.random.fraction() < KILLED_STARTS_SHARE) {
    const started = server.start().catch(() => {});
    await stage.wait(STARTING_MS_MAX * stage.random.fraction());
    stage.mark('fault', `kill -9 of the server while it starts, pid ${server.pid()}`);
    await server.kill();
    await started;
  }
  await server.start();
  stage.mark('heal', `the server serves again, pid ${server.pid()}`);
}

export const serverDies: Scenario = {
  name: 'server-dies',
  summary:
    'The one process that serves and owns the database is killed (kill -9) again and again, also while it starts: it finds everything.',
  topology: {
    servers: [{ name: 'server' }],
    loaded: 'server',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { own: 'a server that it can start again' },
  emphasis: { jobs: 2 },
  seconds: 24,
  secondsMin: 16,
  ratePerS: 150,
  connections: 32,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 8000 },
  async run(stage) {
    for (let kills = 0; kills < KILLS; kills++) {
      await waitForShare(stage, [0.05, 0.1]);
      await killAndStart(stage);
      await untilWell(stage, 'server');
    }
  },
};
