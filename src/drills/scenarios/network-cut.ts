import { refusedAtOnce, refusedDuring, servedStale } from '../freshness.ts';
import type { Evidence, Scenario } from '../scenario.ts';
import { DRILL_CONFIGURATION, waitForShare } from './steps.ts';

/** How long the api works on a request before it answers 504. */
const REQUEST_TIMEOUT_MS = 2000;
const CUT_SHARE = 0.5;
/** By then a server has noticed: something waits for a second, and then a probe for three. */
const NOTICED_MS = 6000;

/** What was asked for so long before the network was well again was answered without it. */
function cutOf({ windows }: Evidence) {
  const [window] = windows;
  if (window === undefined) return { fromMs: 0, untilMs: 0 };
  return { fromMs: window.fromMs, untilMs: window.healedMs - REQUEST_TIMEOUT_MS };
}

export const networkCut: Scenario = {
  name: 'network-cut',
  summary:
    'Nothing passes between the api and its database for a while: redirects go on from memory, every other route refuses, and all is well when it passes again.',
  topology: {
    servers: [
      { name: 'base' },
      {
        name: 'api',
        reaches: 'base',
        configuration: { http: { requestTimeoutMs: REQUEST_TIMEOUT_MS } },
      },
    ],
    loaded: 'api',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { own: 'a network that it can cut, between an api and its database' },
  emphasis: { staleReads: 2.4 },
  seconds: 20,
  secondsMin: 12,
  // Requests wait for their deadlines while the network is cut, each on a connection.
  ratePerS: 60,
  connections: 300,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 6000 },
  async run(stage) {
    await waitForShare(stage, [0.2, 0.3]);
    stage.mark('fault', 'nothing passes between api and database');
    stage.topology.network.set({ kind: 'drop' });
    await stage.wait(stage.seconds * 1000 * CUT_SHARE);
    stage.topology.network.set({ kind: 'open' });
    stage.mark('heal', 'it passes again');
  },
  checks(evidence) {
    const cut = cutOf(evidence);
    const noticed = { ...cut, fromMs: cut.fromMs + NOTICED_MS };
    return [refusedDuring(cut, evidence), refusedAtOnce(noticed, evidence), servedStale(cut, evidence)];
  },
};
