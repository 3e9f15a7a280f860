/**
 * One process that serves, as its supervisor sees it.
 */
import type { Worker } from 'node:cluster';
import type { Clock, Timer } from '#base/clock';
import { withSignal } from '#base/deadline';
import { describeError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import { cliErrors } from '../errors.ts';
import type { FromChild, FromSupervisor, MetricsSnapshot } from './child-messages.ts';

export interface Child {
  /** Its place among the others, from 1. */
  readonly number: number;
  readonly pid: number;
  /** Resolves when it has the port; rejects as `ready`. */
  readonly bound: Promise<void>;
  /** Resolves when it serves. @throws child_failed with what it said, or how it ended */
  readonly ready: Promise<void>;
  /** How it ended, in words. Never rejects. */
  readonly exited: Promise<string>;
  isReady(): boolean;
  hasExited(): boolean;
  /** Whether it has told why it cannot start. */
  hasSaidWhy(): boolean;
  /** Of the error that it has told, or that it has ended. */
  failureCode(): string;
  begin(): void;
  drain(): void;
  /** Gives up requests in flight; killed when that takes long. */
  stopAtOnce(): void;
  kill(): void;
  /** Its metrics now. Rejects when it does not answer until the signal aborts, or ends. */
  metrics(signal: AbortSignal): Promise<MetricsSnapshot>;
  /** The last that is known of its metrics. */
  lastMetrics(): MetricsSnapshot;
}

export interface ChildDeps extends Pick<Runtime, 'clock' | 'log'> {
  /** The metrics of all processes, as text. */
  gather: () => Promise<string>;
}

const AT_ONCE_MS_MAX = 5000;
/** In the time that it may be silent it is asked so often. */
const QUESTIONS_MAX = 10;

function describeEnd(code: number | null, signal: string | null): string {
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
}

/** Answers to questions, by the question's number. */
function createQuestions(ask: (question: number) => void) {
  const waiting = new Map<number, (snapshot: MetricsSnapshot) => void>();
  let asked = 0;
  return {
    answered(question: number, snapshot: MetricsSnapshot): void {
      waiting.get(question)?.(snapshot);
    },
    async ask(signal: AbortSignal): Promise<MetricsSnapshot> {
      asked += 1;
      const question = asked;
      const { promise, resolve } = Promise.withResolvers<MetricsSnapshot>();
      waiting.set(question, resolve);
      ask(question);
      return withSignal(promise, signal).finally(() => waiting.delete(question));
    },
  };
}

/**
 * Its end, in words. Not by `once` of node:events, which rejects on `error`, and that comes also of a message that meets
 * the end of its process.
 */
function endOf({ process: forked }: Worker): Promise<string> {
  return new Promise((resolve) => {
    forked.once('exit', (code, signal) => resolve(describeEnd(code, signal)));
    forked.on('error', (error) => {
      if (forked.pid === undefined) resolve(`could not be started: ${describeError(error)}`);
    });
  });
}

/**
 * Asks again and again, and tells when so many questions in a row have found no answer. Questions are counted, not time: a
 * supervisor that was itself stopped for a while has asked nothing meanwhile.
 */
function watchLife(
  clock: Clock,
  silentMsMax: number,
  { ask, onSilent }: { ask: () => void; onSilent: () => void },
): { heard(): void; end(): void } {
  let unanswered = 0;
  let timer: Timer | undefined;
  function turn(): void {
    if (unanswered === QUESTIONS_MAX) {
      onSilent();
      return;
    }
    unanswered += 1;
    ask();
    timer = clock.after(silentMsMax / QUESTIONS_MAX, turn, 'background');
  }
  turn();
  return {
    heard() {
      unanswered = 0;
    },
    end: () => timer?.cancel(),
  };
}

/**
 * Follows a worker that has just been forked. One that serves and whose event loop does not go round for `silentMsMax` is
 * killed.
 */
export function followChild(
  worker: Worker,
  { number, silentMsMax }: { number: number; silentMsMax: number },
  { clock, log, gather }: ChildDeps,
): Child {
  const bound = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<void>();
  const gone = new AbortController();
  const pid = worker.process.pid ?? 0;
  let said: string | undefined;
  let failureCode = 'child_failed';
  let isReady = false;
  let last: MetricsSnapshot = [];
  /** What it is to be told as soon as it listens. */
  let untold: FromSupervisor[] | undefined = [];
  let life: ReturnType<typeof watchLife> | undefined;

  const kill = () => void worker.process.kill('SIGKILL');

  function send(message: FromSupervisor): void {
    // One that is ending cannot be told anything, and its end is seen elsewhere.
    if (untold) untold.push(message);
    else if (worker.isConnected()) worker.send(message, () => {});
  }

  function tellAll(): void {
    const messages = untold ?? [];
    untold = undefined;
    for (const message of messages) send(message);
  }

  function onSilent(): void {
    said = `did not answer for ${silentMsMax / 1000} s, and was killed`;
    log.error({ process: number, pid, silentMsMax }, 'a process does not answer, and is killed');
    kill();
  }

  const questions = createQuestions((question) => send({ kind: 'metrics', question }));

  async function answerGather(question: number): Promise<void> {
    try {
      send({ kind: 'gathered', question, text: await gather() });
    } catch (error) {
      log.error({ err: error }, 'the metrics of the processes could not be put together');
    }
  }

  function onReady(): void {
    isReady = true;
    ready.resolve();
    life = watchLife(clock, silentMsMax, { ask: () => send({ kind: 'are_you_alive' }), onSilent });
  }

  worker.on('listening', () => bound.resolve());
  worker.on('message', (message: FromChild) => {
    life?.heard();
    if (message.kind === 'attentive') tellAll();
    else if (message.kind === 'ready') onReady();
    else if (message.kind === 'failed') ({ line: said, code: failureCode = failureCode } = message);
    else if (message.kind === 'gather') void answerGather(message.question);
    else if (message.kind !== 'alive') {
      last = message.snapshot;
      if (message.kind === 'metrics') questions.answered(message.question, message.snapshot);
    }
  });
  // Such as EPIPE, when a message meets its end.
  worker.on('error', () => {});

  const exited = endOf(worker).then((how) => {
    life?.end();
    const failure = cliErrors.child_failed({ detail: said ?? `process ${number} (pid ${pid}) ${how}` });
    bound.reject(failure);
    ready.reject(failure);
    gone.abort(failure);
    return said ?? how;
  });
  bound.promise.catch(() => {});
  ready.promise.catch(() => {});

  return {
    number,
    pid,
    bound: bound.promise,
    ready: ready.promise,
    exited,
    isReady: () => isReady && !gone.signal.aborted,
    hasExited: () => gone.signal.aborted,
    hasSaidWhy: () => said !== undefined,
    failureCode: () => failureCode,
    begin: () => send({ kind: 'begin' }),
    drain: () => send({ kind: 'drain' }),
    stopAtOnce() {
      send({ kind: 'stop_at_once' });
      const limit = clock.after(AT_ONCE_MS_MAX, kill, 'background');
      void exited.then(limit.cancel);
    },
    kill,
    metrics: (signal) => questions.ask(AbortSignal.any([signal, gone.signal])),
    lastMetrics: () => last,
  };
}
