/**
 * One process that serves, as its supervisor sees it.
 */
import type { Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Clock } from '#base/clock';
import { withSignal } from '#base/deadline';
import type { FromChild, FromSupervisor, SignalsSnapshot } from './child-messages.ts';
import { cliErrors } from './errors.ts';

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
  begin(): void;
  drain(): void;
  /** Gives up requests in flight; killed when that takes long. */
  stopAtOnce(): void;
  kill(): void;
  /** Its signals now. Rejects when it does not answer until the signal aborts, or ends. */
  signals(signal: AbortSignal): Promise<SignalsSnapshot>;
  /** The last that is known of its signals. */
  lastSignals(): SignalsSnapshot;
}

export interface ChildDeps {
  clock: Clock;
  /** The signals of all processes, as text. */
  gather: () => Promise<string>;
}

const AT_ONCE_MS_MAX = 5000;

function describeEnd(code: number | null, signal: string | null): string {
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
}

/** Answers to questions, by the question's number. */
function createQuestions(ask: (question: number) => void) {
  const waiting = new Map<number, (snapshot: SignalsSnapshot) => void>();
  let asked = 0;
  return {
    answered(question: number, snapshot: SignalsSnapshot): void {
      waiting.get(question)?.(snapshot);
    },
    async ask(signal: AbortSignal): Promise<SignalsSnapshot> {
      asked += 1;
      const question = asked;
      const { promise, resolve } = Promise.withResolvers<SignalsSnapshot>();
      waiting.set(question, resolve);
      ask(question);
      return withSignal(promise, signal).finally(() => waiting.delete(question));
    },
  };
}

/** Follows a worker that has just been forked. */
export function followChild(worker: Worker, number: number, { clock, gather }: ChildDeps): Child {
  const bound = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<void>();
  const gone = new AbortController();
  const pid = worker.process.pid ?? 0;
  let said: string | undefined;
  let isReady = false;
  let last: SignalsSnapshot = [];

  function send(message: FromSupervisor): void {
    // One that is ending cannot be told anything, and its end is seen elsewhere.
    if (worker.isConnected()) worker.send(message, () => {});
  }

  const questions = createQuestions((question) => send({ kind: 'signals', question }));

  async function answerGather(question: number): Promise<void> {
    send({ kind: 'gathered', question, text: await gather() });
  }

  worker.on('listening', () => bound.resolve());
  worker.on('message', (message: FromChild) => {
    if (message.kind === 'ready') {
      isReady = true;
      ready.resolve();
    } else if (message.kind === 'failed') said = message.line;
    else if (message.kind === 'gather') void answerGather(message.question);
    else {
      last = message.snapshot;
      if (message.kind === 'signals') questions.answered(message.question, message.snapshot);
    }
  });
  // Such as EPIPE, when a message meets its end.
  worker.on('error', () => {});

  const exited = once(worker.process, 'exit').then(([code, signal]) => {
    const how = describeEnd(code, signal);
    const failure = cliErrors.child_failed({ detail: said ?? `process ${number} (pid ${pid}) ${how}` });
    bound.reject(failure);
    ready.reject(failure);
    gone.abort(failure);
    return said ?? how;
  });
  bound.promise.catch(() => {});
  ready.promise.catch(() => {});

  const kill = () => void worker.process.kill('SIGKILL');
  return {
    number,
    pid,
    bound: bound.promise,
    ready: ready.promise,
    exited,
    isReady: () => isReady && !gone.signal.aborted,
    hasExited: () => gone.signal.aborted,
    hasSaidWhy: () => said !== undefined,
    begin: () => send({ kind: 'begin' }),
    drain: () => send({ kind: 'drain' }),
    stopAtOnce() {
      send({ kind: 'stop_at_once' });
      const limit = clock.after(AT_ONCE_MS_MAX, kill, 'background');
      void exited.then(limit.cancel);
    },
    kill,
    signals: (signal) => questions.ask(AbortSignal.any([signal, gone.signal])),
    lastSignals: () => last,
  };
}
