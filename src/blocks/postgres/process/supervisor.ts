/**
 * Keeps one Postgres running on one data directory.
 *
 * States:  idle ─▶ starting ─▶ ready ─▶ stopped
 *                     ▲          │ it dies
 *                     └── down ◀─┘   waits, then tries again: for ever, at most `RETRY_MS_MAX` apart
 *
 * A crash of one of Postgres's own processes goes ready ─▶ down ─▶ ready without a new start: Postgres recovers by itself.
 * A socket that somebody has deleted is as good as a death: Postgres is ended in order, and started again at once.
 */
import { backoffMs } from '#base/backoff';
import { type Clock, sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { describeError, isLoadstoneError } from '#base/errors';
import type { Random } from '#base/random';
import type { Runtime } from '#base/runtime';
import type { PostgresLock } from '../directory/postgres-lock.ts';
import { embeddedErrors, toProgramError } from '../errors.ts';
import { postgresArguments } from '../settings.ts';
import type { Site } from '../site-shape.ts';
import {
  killPostmaster,
  launchPostmaster,
  type Postmaster,
  stopPostmaster,
  sweepOrphans,
  waitUntilReady,
} from './postmaster.ts';
import { createServerLog, type LogLine } from './server-log.ts';
import { hasSocket } from './socket-directory.ts';

export type PostgresState =
  | { kind: 'idle' }
  | { kind: 'starting' }
  | { kind: 'ready'; pid: number; adopted: boolean }
  | { kind: 'down'; reason: string }
  | { kind: 'stopped' };

export interface SupervisorOptions {
  site: Site;
  socketDirectory: string;
  settings: Readonly<Record<string, string>>;
  startTimeoutMs: number;
  lock: PostgresLock;
  /** Before each start: what it needs outside of the data directory. */
  prepare: () => Promise<void>;
}

export interface SupervisorDeps extends Runtime {
  report: (line: string) => void;
  onState: (state: PostgresState) => void;
}

/** `isOurs`: it was ended by us, to be started again. */
interface Ending {
  reason: string;
  isOurs: boolean;
}

export interface Supervisor {
  /** Starts Postgres, or takes the one given. Rejects if this first start fails; later ones are tried again. */
  start(adopted: Postmaster | undefined, signal: AbortSignal): Promise<void>;
  /** Ends Postgres and the watch over it, whatever state they are in. */
  stop(deadline: AbortSignal): Promise<void>;
  /** Kills all of Postgres at once, stopped processes (SIGSTOP) included, and ends the watch. */
  kill(): Promise<void>;
  /** What Postgres said last, for an error message. */
  tail(): string[];
}

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;
/** How often it is looked whether the socket is still there, and how long the restart may wait for a checkpoint. */
const SOCKET_LOOK_MS = 1000;
const SOCKET_STOP_MS = 10_000;
/** One that ran for so long before it died begins again with the shortest wait. */
const STABLE_MS = 60_000;

/** Doubles with each attempt from 0 up to a bound; the upper half is drawn, so that many do not retry in step. */
export function retryDelayMs(attempt: number, random: Random): number {
  return backoffMs({ baseMs: RETRY_MS_MIN, maxMs: RETRY_MS_MAX }, attempt + 1, random);
}

/** A signal that aborts with `postgres_start_timeout` after `timeoutMs`, or with `parent`. */
export function startTimeout(
  clock: Clock,
  timeoutMs: number,
  parent: AbortSignal,
  tail: () => readonly string[],
): { signal: AbortSignal; done(): void } {
  const controller = new AbortController();
  const timer = clock.after(
    timeoutMs,
    () => {
      const said = tail().length === 0 ? '' : `; it said: ${tail().join(' | ')}`;
      const detail = `Postgres was not ready after ${timeoutMs} ms${said}`;
      controller.abort(embeddedErrors.postgres_start_timeout({ detail }));
    },
    'background',
  );
  return { signal: AbortSignal.any([parent, controller.signal]), done: () => timer.cancel() };
}

export function createSupervisor(options: SupervisorOptions, deps: SupervisorDeps): Supervisor {
  const { site } = options;
  const { clock, log } = deps;
  const args = postgresArguments(site.dataDirectory, options.socketDirectory, options.settings);
  let serverLog = createServerLog(log, onLine);
  const stopping = new AbortController();
  let current: Postmaster | undefined;
  let recovering = false;
  let watching: Promise<void> | undefined;

  function ready(postmaster: Postmaster): void {
    recovering = false;
    deps.onState({ kind: 'ready', pid: postmaster.pid, adopted: postmaster.adopted });
  }

  function onLine({ severity, text }: LogLine): void {
    if (severity !== 'LOG' || stopping.signal.aborted) return;
    if (/was not properly shut down/.test(text))
      deps.report('Postgres was not shut down cleanly and is recovering');
    if (/reinitializing/.test(text)) {
      recovering = true;
      deps.onState({ kind: 'down', reason: 'a Postgres process crashed and Postgres is recovering' });
    }
    if (recovering && current && /is ready to accept connections/.test(text)) ready(current);
  }

  async function launch(signal: AbortSignal): Promise<Postmaster> {
    signal.throwIfAborted();
    deps.onState({ kind: 'starting' });
    serverLog = createServerLog(log, onLine);
    const lockFd = await options.lock.taken(signal);
    await options.prepare();
    current = launchPostmaster(site, args, lockFd, { clock, serverLog });
    await waitUntilReady(current, site, { clock, serverLog, signal });
    ready(current);
    return current;
  }

  /** A full disk is worth naming; otherwise how it ended says more than what it said before. */
  function reasonOf(ending: string): string {
    const error = toProgramError('Postgres', ending, site.dataDirectory, serverLog.tail());
    return isLoadstoneError(error) && error.code === 'data_disk_full' ? error.message : `Postgres ${ending}`;
  }

  /** Resolves when it has ended, or cannot be found any more and has been ended for that. */
  async function endOf(postmaster: Postmaster): Promise<Ending> {
    for (;;) {
      const waiting = new AbortController();
      const look = sleep(clock, SOCKET_LOOK_MS, waiting.signal).then(
        () => undefined,
        () => undefined,
      );
      const ending = await Promise.race([postmaster.exited, look]);
      waiting.abort();
      if (ending !== undefined) return { reason: reasonOf(ending), isOurs: false };
      if (!stopping.signal.aborted && !hasSocket(options.socketDirectory)) return endLost(postmaster);
    }
  }

  async function endLost(postmaster: Postmaster): Promise<Ending> {
    const reason = `the socket of Postgres in ${options.socketDirectory} was deleted`;
    log.warn({ reason }, 'Postgres is restarted; something deletes temporary files that are in use');
    deps.onState({ kind: 'down', reason });
    const deadline = createDeadline(clock, SOCKET_STOP_MS, stopping.signal);
    await stopPostmaster(postmaster, site.dataDirectory, deadline.signal, clock).finally(deadline.done);
    return { reason, isOurs: true };
  }

  /** @returns how the new one ended, or why it did not start */
  async function relaunch(): Promise<Ending> {
    const timeout = startTimeout(clock, options.startTimeoutMs, stopping.signal, () => serverLog.tail());
    try {
      const postmaster = await launch(timeout.signal);
      timeout.done();
      return await endOf(postmaster);
    } catch (error) {
      if (!stopping.signal.aborted && current) {
        await stopPostmaster(current, site.dataDirectory, AbortSignal.abort(), clock);
      }
      return { reason: describeError(error), isOurs: false };
    } finally {
      timeout.done();
    }
  }

  async function watch(first: Postmaster): Promise<void> {
    let beganMs = clock.monotonicMs();
    let { reason, isOurs } = await endOf(first);
    for (let attempt = 0; !stopping.signal.aborted; attempt++) {
      if (clock.monotonicMs() - beganMs > STABLE_MS) attempt = 0;
      const delayMs = isOurs ? 0 : retryDelayMs(attempt, deps.random);
      if (!isOurs) {
        log.error(
          { reason, attempt, retryInMs: Math.round(delayMs) },
          'Postgres is down and will be restarted',
        );
        deps.onState({ kind: 'down', reason });
      }
      await sweepOrphans(site.dataDirectory, clock);
      await sleep(clock, delayMs, stopping.signal).catch(() => {});
      if (stopping.signal.aborted) return;
      beganMs = clock.monotonicMs();
      ({ reason, isOurs } = await relaunch());
    }
  }

  return {
    async start(adopted, signal) {
      current = adopted;
      if (adopted) ready(adopted);
      watching = watch(adopted ?? (await launch(signal)));
    },
    async stop(deadline) {
      stopping.abort();
      if (current) await stopPostmaster(current, site.dataDirectory, deadline, clock);
      await watching;
      deps.onState({ kind: 'stopped' });
    },
    async kill() {
      stopping.abort();
      await killPostmaster(current, site.dataDirectory, clock);
      await watching;
      deps.onState({ kind: 'stopped' });
    },
    tail: () => serverLog.tail(),
  };
}
