/**
 * `loadstone start`: tells what it does with elapsed seconds, serves until a stop signal, and ends with exit status 0
 * after a clean stop, 1 after a failed start or stop, 130 after a stop at once.
 */
import { resolve } from 'node:path';
import { systemClock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { describeError } from '#base/errors';
import { createLog, createLogDestination } from '#base/log';
import { systemRandom } from '#base/random';
import { createServer, type Server } from '#server/build';
import { readConfiguration, type StartFlags } from './config.ts';
import { onStopSignals } from './stop-signals.ts';

/** Beyond the drain: time for Postgres to write its checkpoint. */
const STOP_EXTRA_MS = 20_000;
const EXIT_AT_ONCE = 130;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function createReport(): (line: string) => void {
  const startedMs = Number(process.env.LOADSTONE_STARTED_AT_MS ?? systemClock.nowMs());
  return (line) => {
    const elapsedS = (systemClock.nowMs() - startedMs) / 1000;
    print(`${elapsedS.toFixed(1).padStart(6)} s  ${line}`);
  };
}

/** Two lines to paste; the key in them is the one just made, or the variable that holds it. */
function printWelcome(server: Server, firstKey: string | undefined): void {
  const url = server.localUrl;
  const isPublicElsewhere = server.publicUrl !== url;
  const variable = process.env.LOADSTONE_ROOT_KEY === undefined ? '$LOADSTONE_KEY' : '$LOADSTONE_ROOT_KEY';
  const link = '{"url":"https://example.com/","alias":"hello"}';
  print('');
  print(`  address         ${url}${isPublicElsewhere ? `  (public: ${server.publicUrl})` : ''}`);
  print(`  data directory  ${server.dataDirectory}`);
  if (firstKey !== undefined) print(`  API key         ${firstKey}   (shown once: keep it)`);
  print('');
  print('Shorten a link, then follow it:');
  print('');
  print(
    `  curl -sS ${url}/v1/links -H "Authorization: Bearer ${firstKey ?? variable}" -H 'Content-Type: application/json' -d '${link}'`,
  );
  print(`  curl -sSi ${url}/hello`);
  print('');
}

export async function start(flags: StartFlags): Promise<void> {
  const { options, systemOptions, definitions } = await readConfiguration(flags, process.env);
  const clock = systemClock;
  const destination = createLogDestination();
  const log = createLog({ level: options.log.level, service: 'loadstone' }, destination);
  const report = createReport();
  const secrets = { rootKey: process.env.LOADSTONE_ROOT_KEY, masterKey: process.env.LOADSTONE_MASTER_KEY };
  const server = createServer(options, systemOptions, definitions, {
    clock,
    random: systemRandom,
    log,
    report,
    secrets,
  });

  const starting = new AbortController();
  let stopped: Promise<void> | undefined;
  const stopNow = new AbortController();

  async function stop(): Promise<void> {
    report('stopping');
    starting.abort(new Error('stopped'));
    const deadline = createDeadline(
      clock,
      options.http.drainDelayMs + options.http.drainTimeoutMs + STOP_EXTRA_MS,
      stopNow.signal,
    );
    try {
      await server.stop(deadline.signal);
      report('stopped');
      process.exitCode = stopNow.signal.aborted ? EXIT_AT_ONCE : 0;
    } catch (error) {
      log.error({ err: error }, 'the stop was not clean');
      process.exitCode = 1;
    } finally {
      deadline.done();
      unlisten();
    }
  }

  const unlisten = onStopSignals(
    clock,
    () => {
      stopped = stop();
    },
    () => stopNow.abort(new Error('stopped at once')),
  );

  report(`data directory ${resolve(options.data)}`);
  try {
    await server.start(starting.signal);
  } catch (error) {
    if (stopped) return stopped;
    unlisten();
    await server.stop(AbortSignal.timeout(STOP_EXTRA_MS)).catch(() => {});
    process.stderr.write(`loadstone: ${describeError(error)}\n`);
    process.exitCode = 1;
    return;
  }
  report('listening');
  printWelcome(server, server.takeFirstKey());
}
