/**
 * `loadstone start`: tells what it does with elapsed seconds, serves until a stop signal, and ends with exit status 0
 * after a clean stop, 1 after a failed start or stop, 130 after a stop at once.
 */
import { type Clock, systemClock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { describeError } from '#base/errors';
import { createLog, type Log } from '#base/log';
import { createLogDestination } from '#base/log-destination';
import { systemRandom } from '#base/random';
import { createServer, type Server } from '#server/build';
import { type Configuration, readConfiguration, type StartFlags } from './config.ts';
import { onStopSignals } from './stop-signals.ts';
import { welcome } from './welcome.ts';

/** Beyond the drain: time for Postgres to write its checkpoint. */
const STOP_EXTRA_MS = 20_000;
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
  server: Server,
  { http }: Configuration['options'],
  deps: { clock: Clock; log: Log; report: (line: string) => void },
): () => Promise<void> | undefined {
  const { clock, log, report } = deps;
  const atOnce = new AbortController();
  let stopped: Promise<void> | undefined;
  let isOver = false;

  async function stop(): Promise<void> {
    report('stopping');
    const deadline = createDeadline(
      clock,
      http.drainDelayMs + http.drainTimeoutMs + STOP_EXTRA_MS,
      atOnce.signal,
    );
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
  });
  return () => stopped;
}

export async function start(flags: StartFlags): Promise<void> {
  const { options, systemOptions, definitions } = await readConfiguration(flags, process.env);
  const clock = systemClock;
  // Standard error, so that standard output stays free for what a person reads.
  const destination = createLogDestination(2, clock);
  process.once('exit', destination.flushSync);
  const log = createLog({ level: options.log.level, service: 'loadstone' }, destination);
  const report = createReport(clock);
  const secrets = { rootKey: process.env.LOADSTONE_ROOT_KEY, masterKey: process.env.LOADSTONE_MASTER_KEY };
  const server = createServer(options, systemOptions, definitions, {
    clock,
    random: systemRandom,
    log,
    report,
    secrets,
  });
  // Whoever read it may be gone: that is no reason to stop serving.
  process.stdout.on('error', () => {});

  const stopUnderWay = stopOnSignals(server, options, { clock, log, report });
  let failure: unknown;
  try {
    await server.start(new AbortController().signal);
    report('listening');
  } catch (error) {
    failure = error;
  }
  // So that what follows is what a person sees last.
  destination.flushSync();
  const firstKey = server.takeFirstKey();
  if (failure === undefined) {
    const hasLinks = definitions.some(({ name }) => name === 'links');
    print(welcome(server, { firstKey, isKeySet: secrets.rootKey !== undefined, hasLinks }, systemRandom));
    return;
  }
  // It is in the database already, and will not be made again.
  if (firstKey !== undefined) print(`  API key         ${firstKey}   (shown once: keep it)`);
  if (stopUnderWay()) return stopUnderWay();
  process.stderr.write(`loadstone: ${describeError(failure)}\n`);
  process.exitCode = EXIT_FAILED;
}
