import type { Scenario, Stage } from '../scenario.ts';
import { MIX_DEFAULT } from '../workload.ts';
import { DRILL_CONFIGURATION, REDIRECT_AGE_MS, untilWell, waitForShare } from './steps.ts';

const POINTS = [
  'mutation.rule_ended',
  'mutation.committed',
  'outbox.moved',
  'stream.handled',
  'queue.handled',
];
/** So often is the point passed before the process crashes, at most. */
const HITS_MAX = 5;
const CRASH_BOUND_MS = 30_000;

/** Has processes crash right there, until one has, and others take their place. */
async function crashAt(stage: Stage, point: string): Promise<void> {
  const server = stage.topology.server('server');
  const before = server.children().map(({ pid }) => pid);
  const afterHits = Math.floor(stage.random.fraction() * HITS_MAX);
  stage.mark('fault', `processes crash at ${point}`);
  stage.topology.arm({ points: { [point]: { action: 'crash', afterHits } } });
  const left = () => server.children().filter(({ pid }) => before.includes(pid));
  await stage.until(`a process has crashed at ${point}`, () => left().length < before.length, CRASH_BOUND_MS);
  stage.topology.arm({});
  await stage.until(
    'another has taken its place',
    () => server.children().length >= before.length,
    CRASH_BOUND_MS,
  );
  stage.mark('heal', 'there are as many processes as before');
}

export const crashPoints: Scenario = {
  name: 'crash-points',
  summary:
    'Processes crash between a commit and its answer, between log and outbox, between an effect and its record: every effect is there once.',
  topology: {
    servers: [{ name: 'server', processes: 3 }],
    loaded: 'server',
    configuration: DRILL_CONFIGURATION,
  },
  mix: { ...MIX_DEFAULT, createShort: 10 },
  seconds: 24,
  secondsMin: 16,
  ratePerS: 150,
  connections: 32,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 15_000 },
  redirectAgeMs: REDIRECT_AGE_MS,
  async run(stage) {
    await waitForShare(stage, [0.05, 0.1]);
    for (const point of POINTS) {
      await crashAt(stage, point);
      await untilWell(stage, 'server');
    }
  },
};
