import { checkOf } from '../checks.ts';
import { drillErrors } from '../errors.ts';
import { childrenOf, isAlive, signalProcess } from '../installation/processes.ts';
import type { Check } from '../report/result.ts';
import type { Evidence, Scenario, Stage } from '../scenario.ts';
import { DRILL_CONFIGURATION, waitForShare } from './steps.ts';

/** Between the loss of the primary and the moment at which somebody decides to promote. */
const DECIDE_MS = 1500;
const STANDBY_BOUND_MS = 60_000;

interface Status {
  term: number;
  primary: { name: string };
  standbys: { name: string; state: string }[];
}

async function askStatus({ topology }: Stage): Promise<Status> {
  const { code, stdout, stderr } = await topology.run(['database', 'status', '--json']);
  if (stdout === '')
    throw drillErrors.drill_not_quiet({ detail: `database status ended with ${code}: ${stderr}` });
  return JSON.parse(stdout) as Status;
}

async function untilStandby(stage: Stage): Promise<void> {
  await stage.until(
    'a standby follows the primary',
    async () => (await askStatus(stage)).standbys.some(({ state }) => state === 'streaming'),
    STANDBY_BOUND_MS,
  );
}

async function promote(stage: Stage): Promise<void> {
  const { code, stdout, stderr } = await stage.topology.run(['database', 'promote', '--force', '--json']);
  if (code !== 0)
    throw drillErrors.drill_not_quiet({ detail: `the promotion ended with ${code}: ${stderr}` });
  const { primary, term, lostBytes } = JSON.parse(stdout) as {
    primary: string;
    term: number;
    lostBytes: number | null;
  };
  stage.note('term', term);
  stage.note('lostBytes', lostBytes ?? Number.NaN);
  stage.mark(
    'heal',
    `${primary} is the primary, in term ${term}; ${lostBytes ?? 'unknown'} bytes of log lost`,
  );
}

function fenced({ notes }: Evidence): Check {
  const [alive = 0, term = 0, lostBytes = Number.NaN] = ['alive', 'term', 'lostBytes'].map((name) =>
    notes.get(name),
  );
  const problems = [
    ...(alive === 0 ? [] : [`${alive} of its processes went on`]),
    ...(term > 1 ? [] : ['the term has not grown']),
    ...(lostBytes === 0 ? [] : [`${lostBytes} bytes of its log were lost`]),
  ];
  return checkOf(
    'the old primary cannot go on when it is resumed, and none of its log is lost',
    `${alive} of its processes alive, term ${term}, ${lostBytes} bytes lost`,
    problems,
  );
}

export const primaryLost: Scenario = {
  name: 'primary-lost',
  summary:
    'The primary is frozen (SIGSTOP), its standby promoted, and the old one resumed: nothing acknowledged is lost, and the old one takes no write.',
  topology: {
    servers: [{ name: 'server', processes: 2 }],
    loaded: 'server',
    configuration: { ...DRILL_CONFIGURATION, database: { standbys: 1 } },
  },
  needs: { processes: 1, standbys: 1 },
  seconds: 20,
  secondsMin: 12,
  ratePerS: 150,
  connections: 300,
  timeoutMs: 12_000,
  bounds: { failedShareMax: 1, recoverMsMax: 8000 },
  async run(stage) {
    await untilStandby(stage);
    await waitForShare(stage, [0.1, 0.2]);
    const postmaster = stage.topology.server('server').postmaster();
    if (postmaster === undefined) throw drillErrors.drill_not_quiet({ detail: 'no primary runs' });
    const old = [postmaster, ...childrenOf(postmaster).map(({ pid }) => pid)];
    stage.mark('fault', `the primary, pid ${postmaster} and ${old.length - 1} more, is frozen (SIGSTOP)`);
    for (const pid of old) signalProcess(pid, 'SIGSTOP');
    await stage.wait(DECIDE_MS);
    await promote(stage);
    for (const pid of old) signalProcess(pid, 'SIGCONT');
    stage.mark('note', 'the old primary is told to go on (SIGCONT)');
    stage.note('alive', old.filter(isAlive).length);
    await untilStandby(stage);
    stage.mark('process', 'the old primary is a standby of the new one');
  },
  checks: (evidence) => [fenced(evidence)],
};
