import { checkOf, describeAttempt, timed } from '../checks.ts';
import type { Check } from '../report/result.ts';
import type { Evidence, Scenario, Stage } from '../scenario.ts';
import { DRILL_CONFIGURATION, untilWell, waitForShare } from './steps.ts';

const BACK_MS = -3_600_000;
const AHEAD_MS = 4000;
const STEPPED_MS = 3000;
/** While another worker number is taken after a step back, and while its range is renewed after one ahead. */
const CODES: readonly (string | undefined)[] = ['ids_ahead_of_clock', 'worker_lease_lost'];

/** By how much the clock of the server was off at each creation whose answer tells of it. */
function offsetsOf({ loaded }: Evidence): number[] {
  const clocks = loaded.flatMap(({ learnt, endedMs }) =>
    learnt?.serverMs === undefined ? [] : [learnt.serverMs - endedMs],
  );
  const [first = 0] = clocks;
  return clocks.map((clockMs) => clockMs - first);
}

function stepped(evidence: Evidence): Check {
  const offsets = offsetsOf(evidence);
  const ahead = offsets.filter((offsetMs) => offsetMs > AHEAD_MS / 2).length;
  const behind = offsets.filter((offsetMs) => offsetMs < BACK_MS / 2).length;
  const problems = [
    ...(ahead > 0 ? [] : ['the servers did not see the clock as it was set']),
    ...(behind > 0 ? [] : ['nothing was made while the clock was an hour back']),
  ];
  return checkOf(
    'creations go on while the clock is an hour back, and while it is ahead',
    `${behind} and ${ahead} of ${offsets.length}`,
    problems,
  );
}

function refusalsCoded({ loaded, zeroMs }: Evidence): Check {
  const failed = loaded.filter(({ isFailure }) => isFailure);
  const otherwise = failed.filter(
    ({ code, retryAfter }) => !CODES.includes(code) || retryAfter === undefined,
  );
  const problems = otherwise.map((attempt) => describeAttempt(attempt, zeroMs));
  return timed(
    checkOf(
      'until another worker number is taken, creations are told so, and when to try again, and nothing else fails',
      `${failed.length} refused`,
      problems,
    ),
    otherwise.every(({ status }) => status === undefined),
  );
}

async function step(stage: Stage, clockStepMs: number, text: string): Promise<void> {
  stage.mark('fault', text);
  stage.topology.arm({ clockStepMs });
  await stage.wait(STEPPED_MS);
  stage.topology.arm({});
  stage.mark('heal', 'the clock is right again');
}

export const clockSteps: Scenario = {
  name: 'clock-steps',
  summary:
    'The wall clock of the servers is set back by an hour, and right again, then ahead by 4 s: no id comes twice, and nothing is lost.',
  topology: {
    servers: [{ name: 'server', processes: 2 }],
    loaded: 'server',
    configuration: DRILL_CONFIGURATION,
  },
  needs: { processes: 1, standbys: 0 },
  seconds: 20,
  secondsMin: 16,
  ratePerS: 200,
  connections: 32,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 8000 },
  async run(stage) {
    await waitForShare(stage, [0.1, 0.15]);
    await step(stage, BACK_MS, 'the clock is set back by an hour');
    await untilWell(stage, 'server');
    await step(stage, AHEAD_MS, 'the clock is set ahead by 4 s');
  },
  checks: (evidence) => [stepped(evidence), refusalsCoded(evidence)],
};
