/**
 * Sends one load: looks at the schedule once a millisecond, and with every answer; what is due is sent at once, or waits
 * for a connection.
 */
import type { Timer } from '#base/clock';
import { createArrivals } from './arrivals.ts';
import { type Arrival, type Connection, createConnection, type Passage } from './connection.ts';
import type { LoadAnswer, LoadDeps, LoadOptions, LoadOutcome, LoadSummary } from './load-shape.ts';
import { createPending } from './pending.ts';
import type { Origin } from './request-bytes.ts';
import { createTally } from './tally.ts';

const READ_BYTES = 64 * 1024;
/** Late requests are looked for this often. */
const SWEEP_MS = 5;
/** Servers close connections that are idle, Node's after 5 s: one that is nearly as old is not used again. */
const IDLE_MS_MAX = 4000;
/**
 * A turn that comes so late finds answers that have long arrived and were not read, since timers run before sockets do: it
 * gives nothing up, but leaves that to the next.
 */
const LATE_TURN_MS = 50;
/** A timer may fire late by a millisecond, never early: what is nearer than this is waited for by the next turn. */
const TURN_MS_MIN = 1;

export interface Generator {
  run(): Promise<LoadSummary>;
  /** Ends the schedule now; `run` resolves when what has arrived until then has ended. */
  end(): void;
  /** Cuts it short; `run` then resolves. */
  cut(): void;
}

/** @param origin of `options.origin` */
export function createGenerator(options: LoadOptions, origin: Origin, deps: LoadDeps): Generator {
  const { clock, next, onAnswer } = deps;
  const { monotonicMs } = clock;
  const keepsAnswers = onAnswer !== undefined && options.answers !== 'status';
  const arrivals = createArrivals(options, deps.random);
  const pending = createPending(options.pendingMax);
  let tally = createTally();
  const connections: Connection[] = [];
  /** Those that carry nothing: the last used is the next used, so that at low rates the others are left to close. */
  const idle: Connection[] = [];
  const finished = Promise.withResolvers<void>();
  let [startMs, endMs] = [0, Number.POSITIVE_INFINITY];
  let [arrived, sweptMs, turnDueMs] = [0, 0, Number.POSITIVE_INFINITY];
  let isOver = false;
  /** Of the last turn; never of two in a row. */
  let isLate = false;
  let timer: Timer | undefined;

  const connectionDeps = {
    ...{ monotonicMs, origin, keepsAnswers, onEnd },
    readBuffer: Buffer.allocUnsafe(READ_BYTES),
  };

  function settle(
    passage: Passage,
    endedMs: number,
    outcome: LoadOutcome,
    { status, headers, body }: Partial<Connection['parser']>,
    problem?: string,
  ): void {
    tally.ended(passage, endedMs, outcome, status ?? 0);
    if (!onAnswer) return;
    const answer: LoadAnswer = { ...passage, endedMs, outcome };
    if (outcome === 'answered' && status !== undefined) answer.status = status;
    if (outcome === 'answered' && headers && body !== undefined) Object.assign(answer, { headers, body });
    if (problem !== undefined) answer.problem = problem;
    onAnswer(answer);
  }

  function settleUnsent(arrival: Arrival, outcome: LoadOutcome): void {
    settle({ ...arrival, sentMs: undefined, isReused: false }, monotonicMs(), outcome, {});
  }

  function onEnd(
    connection: Connection,
    passage: Passage,
    outcome: LoadOutcome,
    problem: string | undefined,
  ): void {
    const nowMs = monotonicMs();
    connection.idleSinceMs = nowMs;
    idle.push(connection);
    settle(passage, nowMs, outcome, connection.parser, problem);
    if (isOver) return;
    serve(nowMs);
    admit(nowMs);
    finishIfDone();
  }

  function freeConnection(nowMs: number): Connection | undefined {
    const free = idle.pop();
    if (free) {
      if (nowMs - free.idleSinceMs > IDLE_MS_MAX) free.cut();
      return free;
    }
    if (connections.length >= options.connections) return undefined;
    const made = createConnection(connectionDeps);
    connections.push(made);
    return made;
  }

  /** Sends what waits, as far as there are connections. */
  function serve(nowMs: number): void {
    while (pending.size > 0) {
      if (pending.firstIntendedMs + options.timeoutMs <= nowMs) {
        settleUnsent(pending.shift(), 'timed_out');
        continue;
      }
      const connection = freeConnection(nowMs);
      if (!connection) return;
      connection.carry(pending.shift());
    }
  }

  /** When the next request should be sent; infinite when there is none any more. */
  function dueMs(): number {
    const atMs = startMs + arrivals.nextMs;
    return atMs < endMs ? atMs : Number.POSITIVE_INFINITY;
  }

  /** Takes in what is due. */
  function admit(nowMs: number): void {
    for (let intendedMs = dueMs(); intendedMs <= nowMs; intendedMs = dueMs()) {
      arrivals.advance();
      const lateMs = nowMs - intendedMs;
      tally.arrived(lateMs);
      const arrival = { request: next(arrived++), intendedMs, lateMs };
      const connection = pending.size === 0 ? freeConnection(nowMs) : undefined;
      if (connection) connection.carry(arrival);
      else if (!pending.push(arrival)) settleUnsent(arrival, 'shed');
    }
  }

  /** Ends what is late. */
  function sweep(nowMs: number): void {
    sweptMs = nowMs;
    for (const connection of connections) {
      const { passage } = connection;
      if (!passage || passage.intendedMs + options.timeoutMs > nowMs) continue;
      connection.cut();
      onEnd(connection, passage, 'timed_out', undefined);
    }
    serve(nowMs);
  }

  function finishIfDone(): void {
    const isDone = dueMs() === Number.POSITIVE_INFINITY && pending.size === 0;
    if (!isDone || idle.length < connections.length || isOver) return;
    isOver = true;
    finished.resolve();
  }

  function turn(): void {
    if (isOver) return;
    const nowMs = monotonicMs();
    admit(nowMs);
    isLate = !isLate && nowMs - turnDueMs > LATE_TURN_MS;
    if (!isLate && nowMs - sweptMs >= SWEEP_MS) sweep(nowMs);
    finishIfDone();
    if (isOver) return;
    const isBusy = idle.length < connections.length || pending.size > 0;
    const untilNextMs = dueMs() - monotonicMs();
    const restMs = isBusy ? Math.min(untilNextMs, SWEEP_MS) : untilNextMs;
    const delayMs = isLate ? TURN_MS_MIN : Math.max(TURN_MS_MIN, restMs);
    turnDueMs = monotonicMs() + delayMs;
    timer?.cancel();
    timer = clock.after(delayMs, turn);
  }

  function end(): void {
    endMs = monotonicMs();
    if (timer) turn();
  }

  function cut(): void {
    if (isOver) return;
    isOver = true;
    while (pending.size > 0) {
      settleUnsent(pending.shift(), 'shed');
    }
    for (const connection of connections) {
      const { passage } = connection;
      connection.cut();
      if (passage) onEnd(connection, passage, 'broken', 'the load was cut short');
    }
    finished.resolve();
  }

  return {
    async run() {
      startMs = monotonicMs();
      tally = createTally();
      turn();
      await finished.promise;
      timer?.cancel();
      for (const connection of connections) connection.cut();
      return tally.summary(monotonicMs() - startMs);
    },
    end,
    cut,
  };
}
