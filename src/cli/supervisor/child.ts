/**
 * A process that a supervisor has started: a joined server that takes its orders over the channel between them. It ends
 * with its supervisor, at once: then there is no Postgres either, and nobody to give its port to.
 */
import { createDeadline, withSignal } from '#base/deadline';
import { describeError, isLoadstoneError } from '#base/errors';
import { createMetrics, type Metrics } from '#base/metrics';
import { createServer, type Server, type ServerDeps } from '#server/build';
import type { ServerOptions } from '#server/options';
import type { Configuration } from '../config.ts';
import type { OpenedLog } from '../open-log.ts';
import { drainMsMax } from '../start/stop-time.ts';
import {
  BINDS_FIRST,
  CHILDREN,
  type FromChild,
  type FromSupervisor,
  type MetricsSnapshot,
} from './child-messages.ts';

/** Longer than the supervisor waits for each process. */
const GATHER_MS_MAX = 3000;
const EXIT_FAILED = 1;

function tell(message: FromChild): Promise<void> {
  return new Promise((resolve) => {
    if (process.send) process.send(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

async function snapshotOf(metrics: Metrics): Promise<MetricsSnapshot> {
  return (await metrics.registry.getMetricsAsJSON()) as MetricsSnapshot;
}

/** What the supervisor answers to questions of this process. */
function createGathering(clock: ServerDeps['clock']) {
  const waiting = new Map<number, (text: string) => void>();
  let asked = 0;
  return {
    answered(question: number, text: string): void {
      waiting.get(question)?.(text);
    },
    async ask(): Promise<string> {
      asked += 1;
      const question = asked;
      const { promise, resolve } = Promise.withResolvers<string>();
      waiting.set(question, resolve);
      const deadline = createDeadline(clock, GATHER_MS_MAX);
      void tell({ kind: 'gather', question });
      return withSignal(promise, deadline.signal).finally(() => {
        deadline.done();
        waiting.delete(question);
      });
    },
  };
}

/** Terminals send theirs to the supervisor too, which decides. */
function ignoreTerminal(): void {
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
}

/**
 * The embedded Postgres takes 60 connections, and more than ten at work gain nothing: all processes, with one more while one
 * is replaced, have together what two that run alone may have.
 */
export function shareConnections(options: ServerOptions, processes: number): ServerOptions {
  const { database } = options;
  if (database.primary !== undefined) return options;
  const poolMax = Math.max(
    Math.min(2, database.poolMax),
    Math.floor((2 * database.poolMax) / (processes + 1)),
  );
  return { ...options, database: { ...database, poolMax } };
}

type Deps = Pick<ServerDeps, 'clock' | 'random' | 'log' | 'secrets'>;

function createOrders({ options: given, systemOptions, definitions }: Configuration, deps: Deps) {
  const options = shareConnections(given, Number(process.env[CHILDREN] ?? 1));
  const { clock, log } = deps;
  const begun = Promise.withResolvers<void>();
  const gathering = createGathering(clock);
  const atOnce = new AbortController();
  const metrics = createMetrics();
  let stopped: Promise<void> | undefined;

  const server: Server = createServer(options, systemOptions, definitions, {
    ...deps,
    metrics,
    // The supervisor tells a person how far all of them are.
    report: (line) => log.debug(line),
    ownership: {
      kind: 'join',
      owner: (signal) => withSignal(begun.promise, signal),
      binds: process.env[BINDS_FIRST] === undefined ? 'last' : 'first',
    },
    gatherMetrics: gathering.ask,
  });

  async function stop(): Promise<void> {
    const deadline = createDeadline(clock, drainMsMax(options.http), atOnce.signal);
    try {
      await server.stop(deadline.signal);
    } catch (error) {
      log.error({ err: error }, 'the stop was not clean');
      process.exitCode = EXIT_FAILED;
    }
    deadline.done();
    await tell({ kind: 'farewell', snapshot: await snapshotOf(metrics) });
    process.exit();
  }

  const drain = () => {
    stopped ??= stop();
  };

  async function tellMetrics(question: number): Promise<void> {
    try {
      await tell({ kind: 'metrics', question, snapshot: await snapshotOf(metrics) });
    } catch (error) {
      log.error({ err: error }, 'the metrics of this process could not be read');
    }
  }

  function obey(message: FromSupervisor): void {
    if (message.kind === 'begin') begun.resolve();
    else if (message.kind === 'gathered') gathering.answered(message.question, message.text);
    else if (message.kind === 'metrics') void tellMetrics(message.question);
    else if (message.kind === 'are_you_alive') void tell({ kind: 'alive' });
    else {
      if (message.kind === 'stop_at_once') atOnce.abort(new Error('stopped at once'));
      drain();
    }
  }
  return { server, obey, drain, stopUnderWay: () => stopped };
}

interface Configured {
  configuration: Configuration;
  deps: Deps;
  opened?: Pick<OpenedLog, 'setQuiet'>;
}

async function serve({ configuration, deps, opened }: Configured): Promise<void> {
  const { server, obey, drain, stopUnderWay } = createOrders(configuration, deps);
  opened?.setQuiet(true);
  process.on('SIGTERM', drain);
  process.on('message', (message: FromSupervisor) => {
    if (message.kind === 'drain') opened?.setQuiet(true);
    obey(message);
  });
  try {
    await tell({ kind: 'attentive' });
    await server.start(new AbortController().signal);
    await tell({ kind: 'ready' });
    opened?.setQuiet(false);
  } catch (error) {
    if (!stopUnderWay()) throw error;
    await stopUnderWay();
  }
}

/** Serves until it is told to stop. What keeps it from that is told to the supervisor, and ends it. */
export async function serveAsChild(configure: () => Promise<Configured>): Promise<void> {
  ignoreTerminal();
  try {
    await serve(await configure());
  } catch (error) {
    const code = isLoadstoneError(error) ? { code: error.code } : {};
    await tell({ kind: 'failed', line: describeError(error), ...code });
    process.exit(EXIT_FAILED);
  }
}
