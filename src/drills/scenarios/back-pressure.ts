import { checkOf, describeAttempt, timed } from '../checks.ts';
import { residentBytes } from '../installation/processes.ts';
import { type Attempt, isWrite } from '../load/attempt.ts';
import { PRESSURE_MAX, PRESSURE_QUEUE, pressurePath } from '../pressure-system.ts';
import type { Check } from '../report/result.ts';
import type { Evidence, Scenario } from '../scenario.ts';
import { DRILL_CONFIGURATION, waitForShare } from './steps.ts';

/** Events that may wait for the relay. */
const LAG_MAX = 300;
/** The lag is measured every second: what comes in between is let in too. */
const MEASURE_MS = 2000;
const FROZEN_SHARE = 0.35;
const FULL_BOUND_MS = 20_000;
/** The memory of a server that refuses must stay as it is, but for what its garbage collection leaves for later. */
const GROWTH_BYTES_MAX = 96 * 1024 * 1024;

const FULL = new Set(['outbox_full', 'queue_full']);

const duringOf = ({ loaded, windows, zeroMs }: Evidence): Attempt[] =>
  loaded.filter(({ endedMs }) =>
    windows.some(({ fromMs, healedMs }) => endedMs - zeroMs > fromMs && endedMs - zeroMs < healedMs),
  );

function refusalsCoded(evidence: Evidence): Check {
  const refused = evidence.loaded.filter(({ isFailure }) => isFailure);
  const otherwise = refused.filter(
    ({ code, isProblem, retryAfter }) => !(FULL.has(code ?? '') && isProblem && retryAfter !== undefined),
  );
  const problems = otherwise.map((attempt) => describeAttempt(attempt, evidence.zeroMs));
  const counts = [...FULL].map(
    (code) => [code, refused.filter((attempt) => attempt.code === code).length] as const,
  );
  for (const [code, many] of counts) if (many === 0) problems.push(`${code} never came`);
  const figures = counts.map(([code, many]) => `${many} × ${code}`).join(', ');
  return timed(
    checkOf(
      'what is refused is told that the log or the queue is full, and when to try again',
      figures,
      problems,
    ),
    otherwise.length === problems.length && otherwise.every(({ status }) => status === undefined),
  );
}

function bounded(evidence: Evidence, ratePerS: number): Check {
  const accepted = duringOf(evidence).filter(({ outcome }) => outcome === 'ok');
  const events = accepted.filter(
    ({ planned }) => planned.system.drill.events !== undefined && isWrite(planned),
  ).length;
  const eventsMax = LAG_MAX + (ratePerS * MEASURE_MS) / 1000;
  const jobs = accepted.filter(({ planned }) => planned.operation.job === PRESSURE_QUEUE).length;
  const jobsMax = PRESSURE_MAX + (ratePerS * MEASURE_MS) / 1000;
  const problems = [
    ...(events <= eventsMax ? [] : [`${events} events were let in, at most ${eventsMax} may`]),
    ...(jobs <= jobsMax ? [] : [`${jobs} jobs were let in, at most ${jobsMax} may`]),
  ];
  return checkOf(
    'no more is let in than the bounds allow',
    `${events} events and ${jobs} jobs meanwhile`,
    problems,
  );
}

function memoryFlat({ notes }: Evidence): Check {
  const [before = 0, after = 0] = [notes.get('bytesBefore'), notes.get('bytesAfter')];
  const inMiB = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
  const problems =
    after - before <= GROWTH_BYTES_MAX ? [] : [`at most ${inMiB(GROWTH_BYTES_MAX)} more are allowed`];
  return checkOf(
    'the memory of the api stays as it is',
    `${inMiB(before)} before, ${inMiB(after)} at the end`,
    problems,
  );
}

function drained({ jobs, loaded }: Evidence): Check {
  const states = jobs.get(PRESSURE_QUEUE) ?? new Map();
  const enqueued = loaded.filter(({ planned }) => planned.operation.job === PRESSURE_QUEUE);
  const min = enqueued.filter(({ outcome }) => outcome === 'ok').length;
  const max = min + enqueued.filter(({ outcome }) => outcome === 'unknown').length;
  const done = states.get('done') ?? 0;
  const problems =
    done >= min && done <= max && states.size <= 1 ? [] : [`expected ${min} to ${max} done, nothing else`];
  return checkOf('every job that was let in has run once', `${done} done`, problems);
}

export const backPressure: Scenario = {
  name: 'back-pressure',
  summary:
    'The process that moves events and works off jobs is frozen (SIGSTOP) until log and queue are full: further writes are refused with a code, nothing grows, and all drains when it goes on.',
  topology: {
    servers: [
      { name: 'api', role: 'api' },
      { name: 'worker', role: 'worker', joins: 'api' },
    ],
    loaded: 'api',
    configuration: {
      ...DRILL_CONFIGURATION,
      outbox: { leaseMs: 1000, lagMax: LAG_MAX },
    },
  },
  needs: { own: 'a worker apart, a small log and a queue with a small bound' },
  systems: [pressurePath],
  seconds: 20,
  secondsMin: 12,
  ratePerS: 300,
  // The log must be full within the time that it is waited for.
  ratePerSMin: 100,
  connections: 32,
  timeoutMs: 5000,
  bounds: { failedShareMax: 1, recoverMsMax: 8000 },
  async run(stage) {
    const [api, worker] = [stage.topology.ownServer('api'), stage.topology.ownServer('worker')];
    await waitForShare(stage, [0.2, 0.3]);
    stage.note('bytesBefore', residentBytes(api.pid()));
    stage.mark('fault', `the worker, pid ${worker.pid()}, is frozen (SIGSTOP)`);
    worker.signal('SIGSTOP');
    await stage.wait(stage.seconds * 1000 * FROZEN_SHARE);
    await stage.until(
      'log and queue are full',
      () => [...FULL].every((code) => stage.answers(code) > 0),
      FULL_BOUND_MS,
    );
    stage.note('bytesAfter', residentBytes(api.pid()));
    worker.signal('SIGCONT');
    stage.mark('heal', 'it goes on (SIGCONT)');
  },
  checks: (evidence) => [
    refusalsCoded(evidence),
    bounded(evidence, (evidence.loaded.length / evidence.durationMs) * 1000),
    memoryFlat(evidence),
    drained(evidence),
  ],
};
