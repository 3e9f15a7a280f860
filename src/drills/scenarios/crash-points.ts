import type { Random } from '#base/random';
import { checkOf } from '../checks.ts';
import { isAlive } from '../installation/processes.ts';
import type { Check } from '../report/result.ts';
import type { Evidence, Scenario, Stage } from '../scenario.ts';
import { DRILL_CONFIGURATION, untilWell, waitForShare } from './steps.ts';

const POINTS = [
  'mutation.rule_ended',
  'mutation.committed',
  'outbox.moved',
  'stream.handled',
  'queue.handled',
];
/** So often is the point passed before the process crashes, at most. */
const HITS_MAX = 5;
/** What a process under load passes at all, it passes so often in this time; some points only the holder of a lease passes. */
const PASS_MS = 3000;
const LOOK_MS = 50;
/** Longer than a process takes to see that it is no longer meant. */
const DISARM_MS = 300;
const CRASH_BOUND_MS = 45_000;

/** Each once, in an order by seed. */
function shuffle<Item>(items: readonly Item[], random: Random): Item[] {
  const left = [...items];
  return items.flatMap(() => left.splice(Math.floor(random.fraction() * left.length), 1));
}

/** Whether the process has crashed at the point, when it has had its time. */
async function crashes(stage: Stage, point: string, victim: number): Promise<boolean> {
  const afterHits = Math.floor(stage.random.fraction() * HITS_MAX);
  stage.topology.arm({ points: { [point]: { action: 'crash', afterHits, pid: victim } } });
  for (let waitedMs = 0; waitedMs < PASS_MS && isAlive(victim); waitedMs += LOOK_MS)
    await stage.wait(LOOK_MS);
  stage.topology.arm({});
  if (isAlive(victim)) await stage.wait(DISARM_MS);
  return !isAlive(victim);
}

/** Has one process crash right there, whichever by seed passes it, and another takes its place. */
async function crashAt(stage: Stage, point: string): Promise<void> {
  const server = stage.topology.server('server');
  const before = server.children().map(({ pid }) => pid);
  const order = shuffle(before, stage.random);
  let turn = 0;
  await stage.until(
    `a process has crashed at ${point}`,
    () => crashes(stage, point, order[turn++ % order.length] ?? 0),
    CRASH_BOUND_MS,
  );
  stage.mark(
    'fault',
    `pid ${order[(turn - 1) % order.length]}, one of ${before.length}, has crashed at ${point}`,
  );
  stage.note(point, before.filter((pid) => !isAlive(pid)).length);
  await stage.until(
    'another has taken its place',
    () => server.children().length >= before.length,
    CRASH_BOUND_MS,
  );
  stage.mark('heal', 'another has taken its place');
}

function crashedOnce({ notes }: Evidence): Check {
  const counts = POINTS.map((point) => [point, notes.get(point) ?? 0] as const);
  const problems = counts
    .filter(([, crashed]) => crashed !== 1)
    .map(([point, crashed]) => `${crashed} processes crashed at ${point}`);
  return checkOf('one process has crashed at each point', `${counts.length} points`, problems);
}

export const crashPoints: Scenario = {
  name: 'crash-points',
  summary:
    'A process crashes between a commit and its answer, between log and outbox, between an effect and its record: every effect is there once.',
  topology: {
    servers: [{ name: 'server', processes: 3 }],
    loaded: 'server',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { processes: 2, standbys: 0 },
  emphasis: { jobs: 2 },
  seconds: 24,
  secondsMin: 16,
  ratePerS: 150,
  connections: 32,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 15_000 },
  async run(stage) {
    await waitForShare(stage, [0.05, 0.1]);
    for (const point of POINTS) {
      await crashAt(stage, point);
      await untilWell(stage, 'server');
    }
  },
  checks: (evidence) => [crashedOnce(evidence)],
};
