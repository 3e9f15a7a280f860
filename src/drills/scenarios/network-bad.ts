import { servedStale } from '../freshness.ts';
import type { Network } from '../installation/socket-proxy.ts';
import type { Scenario, Stage } from '../scenario.ts';
import { DRILL_CONFIGURATION, untilWell, waitForShare } from './steps.ts';

const LATENCY_MS = 50;

const NETWORKS: readonly { network: Network; forMs: number; text: string }[] = [
  {
    network: { kind: 'latency', delayMs: LATENCY_MS },
    forMs: 2000,
    text: `everything takes ${LATENCY_MS} ms longer, each way`,
  },
  { network: { kind: 'reset' }, forMs: 2000, text: 'connections are reset' },
  {
    network: { kind: 'half-open' },
    forMs: 4000,
    text: 'connections lose their other side, and are not told',
  },
];

async function goBad(stage: Stage, { network, forMs, text }: (typeof NETWORKS)[number]): Promise<void> {
  stage.mark('fault', text);
  stage.topology.network.set(network);
  await stage.wait(forMs);
  stage.topology.network.set({ kind: 'open' });
  stage.mark('heal', 'the network is well');
}

export const networkBad: Scenario = {
  name: 'network-bad',
  summary:
    'The network between the api and its database is slow, then resets connections, then leaves them half open: each time all is well again soon.',
  topology: {
    servers: [
      { name: 'base' },
      { name: 'api', reaches: 'base', configuration: { http: { requestTimeoutMs: 2000 } } },
    ],
    loaded: 'api',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { own: 'a network that it can cut, between an api and its database' },
  emphasis: { staleReads: 2.4 },
  seconds: 25,
  secondsMin: 24,
  ratePerS: 100,
  connections: 400,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 5000 },
  async run(stage) {
    await waitForShare(stage, [0.05, 0.1]);
    for (const [at, bad] of NETWORKS.entries()) {
      if (at > 0) await untilWell(stage, 'api');
      await goBad(stage, bad);
    }
  },
  checks(evidence) {
    const [, reset] = evidence.windows;
    return reset ? [servedStale({ fromMs: reset.fromMs, untilMs: reset.healedMs }, evidence)] : [];
  },
};
