/**
 * `loadstone start`: tells what it does with elapsed seconds, serves until a stop signal, and ends with exit status 0
 * after a clean stop, 1 after a failed start or stop, 130 after a stop at once.
 */
import cluster from 'node:cluster';
import { resolve } from 'node:path';
import { type Clock, systemClock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { describeError } from '#base/errors';
import { armFaults } from '#base/faults';
import type { Log } from '#base/log';
import { systemRandom } from '#base/random';
import type { Server, ServerDeps } from '#server/build';
import { type Configuration, readConfiguration, type StartFlags } from '../config.ts';
import { unknownVariables } from '../environment.ts';
import { type OpenedLog, openLog } from '../open-log.ts';
import { CHILD_NUMBER, CHILDREN } from '../supervisor/child-messages.ts';
import { type ProcessPart, setProcessTitle } from '../supervisor/process-title.ts';
import { ownerOf } from './join.ts';
import { onStopSignals } from './stop-signals.ts';
import { stopMsMax } from './stop-time.ts';
import { welcome } from './welcome.ts';

/** Past its deadline, a stop still waits for Postgres to end at once, which takes up to 7 s. */
const STOP_OVERDUE_MS = 10_000;
const EXIT_FAILED = 1;
const EXIT_AT_ONCE = 130;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function createReport(clock: Clock): (line: string) => void {
  const startedMs = Number(process.env.LOADSTONE_STARTED_AT_MS ?? clock.nowMs());
  return (line) => {
    const elapsedS = (clock.nowMs() - startedMs) / 1000;
    print(`${elapsedS.toFixed(1).padStart(6)} s  ${line}`);
  };
}

/** A part that heeds no deadline, such as a system from elsewhere, must not keep the process. */
function endWhenOverdue(deadline: AbortSignal, clock: Clock, log: Log): void {
  function end(): void {
    log.fatal('a part of the server did not stop; its process ends without it');
    process.exit(EXIT_FAILED);
  }
  deadline.addEventListener('abort', () => clock.after(STOP_OVERDUE_MS, end, 'background'), { once: true });
}

/** Stops on the first signal; gives the stop under way, if there is one. */
function stopOnSignals(
  server: Started,
  { http }: Configuration['options'],
  deps: { clock: Clock; opened: OpenedLog; report: (line: string) => void },
): () => Promise<void> | undefined {
  const { clock, opened, report } = deps;
  const { log } = opened;
  const atOnce = new AbortController();
  let stopped: Promise<void> | undefined;
  let isOver = false;

  async function stop(): Promise<void> {
    opened.flush();
    opened.setQuiet(true);
    report('stopping');
    const deadline = createDeadline(clock, stopMsMax(http), atOnce.signal);
    endWhenOverdue(deadline.signal, clock, log);
    try {
      await server.stop(deadline.signal);
      report('stopped');
      process.exitCode = atOnce.signal.aborted ? EXIT_AT_ONCE : 0;
    } catch (error) {
      log.error({ err: error }, 'the stop was not clean');
      process.exitCode = EXIT_FAILED;
    } finally {
      deadline.done();
      isOver = true;
    }
  }

  onStopSignals(clock, process.env.npm_lifecycle_event !== undefined, {
    onFirst() {
      stopped = stop();
    },
    onSecond() {
      if (isOver) process.exit();
      atOnce.abort(new Error('stopped at once'));
    },
    ...(server.replaceAll ? { onHangUp: server.replaceAll } : {}),
  });
  return () => stopped;
}

/** A server in this process, or the supervisor of several. */
interface Started extends Server {
  replaceAll?: () => Promise<void>;
}

/** Whoever watches is supervised too, so that the next process serves before the last one ends, and Postgres outlives both. */
const isSupervised = ({ options }: Configuration, { watch }: StartFlags) =>
  options.processes > 1 || watch === true;

/** Loaded here, because a supervisor has no need of the HTTP server, nor a server of the supervisor. */
async function create(configuration: Configuration, flags: StartFlags, deps: ServerDeps): Promise<Started> {
  const { options, systemOptions, definitions, isJoined } = configuration;
  if (isSupervised(configuration, flags)) {
    return (await import('../supervisor/supervise.ts')).createSupervisor(configuration, flags, deps);
  }
  const { createServer } = await import('#server/build');
  const ownership = isJoined ? await ownerOf(options.data) : ({ kind: 'own' } as const);
  return createServer(options, systemOptions, definitions, { ...deps, ownership });
}

/** For drills alone: LOADSTONE_FAULTS names the file that says what is to go wrong, the clock included. */
async function armForDrill(log: Log): Promise<Clock> {
  const file = process.env.LOADSTONE_FAULTS;
  if (file === undefined) return systemClock;
  // With it come the fault points, which the file names.
  await import('#server/build');
  log.warn({ faults: file }, 'started for a drill: faults are armed');
  return armFaults(file, { clock: systemClock, log, crash: () => process.kill(process.pid, 'SIGKILL') })
    .clock;
}

/** A drill may be pointed at what was started for drills, and at nothing else; without the mark, at this neither. */
async function markForDrills(server: Started, configuration: Configuration, log: Log): Promise<void> {
  const faults = process.env.LOADSTONE_FAULTS;
  if (faults === undefined || configuration.isJoined) return;
  const { leaveMark } = await import('#drills/installation/test-installation');
  const { agesOf } = await import('#drills/drilled-systems');
  const { definitions, systemOptions, options } = configuration;
  const ages = agesOf(definitions, systemOptions);
  try {
    const { systems } = options;
    process.once('exit', leaveMark(server.dataDirectory, { origin: server.localUrl, faults, systems, ages }));
  } catch (error) {
    log.warn({ err: error }, 'no drill can be pointed at this server: the mark could not be written');
  }
}

/** @param number of the process among those of a supervisor */
function partOf(configuration: Configuration, flags: StartFlags, number: number | undefined): ProcessPart {
  const { options, isJoined } = configuration;
  const { role } = options;
  if (number !== undefined) return { kind: 'child', number, count: Number(process.env[CHILDREN] ?? number) };
  return isSupervised(configuration, flags) ? { kind: 'supervisor' } : { kind: 'server', role, isJoined };
}

async function prepare(flags: StartFlags) {
  const configuration = await readConfiguration(flags, process.env);
  const number = cluster.isWorker ? Number(process.env[CHILD_NUMBER] ?? 1) : undefined;
  setProcessTitle(partOf(configuration, flags, number), resolve(configuration.options.data));
  const { level, format } = configuration.options.log;
  const opened = openLog({ level, format, process: number }, { clock: systemClock, env: process.env });
  const { log } = opened;
  const secrets = { rootKey: process.env.LOADSTONE_ROOT_KEY, masterKey: process.env.LOADSTONE_MASTER_KEY };
  // Whoever read it may be gone: that is no reason to stop serving.
  process.stdout.on('error', () => {});
  const clock = await armForDrill(log);
  return { configuration, opened, deps: { clock, random: systemRandom, log, secrets } };
}

export async function start(flags: StartFlags): Promise<void> {
  if (cluster.isWorker) return (await import('../supervisor/child.ts')).serveAsChild(() => prepare(flags));
  for (const line of unknownVariables(process.env)) process.stderr.write(`loadstone: ${line}\n`);
  const { configuration, opened, deps } = await prepare(flags);
  opened.setQuiet(true);
  const { options, definitions } = configuration;
  const { clock, log, secrets } = deps;
  const report = createReport(clock);
  const server = await create(configuration, flags, { ...deps, report });
  const stopUnderWay = stopOnSignals(server, options, { clock, opened, report });
  let failure: unknown;
  try {
    await server.start(new AbortController().signal);
    await markForDrills(server, configuration, log);
    report('listening');
  } catch (error) {
    failure = error;
  }
  // So that what follows is what a person sees last.
  opened.flush();
  opened.setQuiet(false);
  const firstKey = server.takeFirstKey();
  if (failure === undefined) {
    const serves = options.role !== 'worker';
    const firstSteps = serves ? definitions.find((each) => each.firstSteps)?.firstSteps : undefined;
    const { processes } = options;
    const supervisor = isSupervised(configuration, flags) ? { pid: process.pid, processes } : undefined;
    const isKeySet = secrets.rootKey !== undefined;
    print(welcome(server, { firstKey, isKeySet, firstSteps, supervisor }, systemRandom));
    return;
  }
  // It is in the database already, and will not be made again.
  if (firstKey !== undefined) print(`  API key         ${firstKey}   (shown once: keep it)`);
  if (stopUnderWay()) return stopUnderWay();
  process.stderr.write(`loadstone: ${describeError(failure)}\n`);
  process.exitCode = EXIT_FAILED;
}
