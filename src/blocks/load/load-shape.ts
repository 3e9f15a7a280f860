/**
 * What a load is asked for, and what it tells.
 */
import type { Runtime } from '#base/runtime';
import type { LatencyHistogram } from './histogram.ts';

/** One request. The generator adds `Host` and `Content-Length`. */
export interface LoadRequest {
  method: string;
  /** Path and query, as they go over the wire. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string | Buffer;
  /** The caller's own, given back with the answer. */
  tag?: unknown;
  /** What goes over the wire, from `encodeRequest`, where the same request is sent often. */
  encoded?: Buffer;
}

/**
 * `answered`: with any status. `refused_connection`: no connection came about, nothing was sent. `broken`: the
 * connection ended, or spoke no HTTP, before the answer was whole. `timed_out`: no whole answer within `timeoutMs` of the
 * intended time. `shed`: `pendingMax` requests waited for a connection already, or the load was cut short; never sent.
 */
export type LoadOutcome = 'answered' | 'refused_connection' | 'broken' | 'timed_out' | 'shed';

/** How one request ended. Times are of the clock's `monotonicMs`. */
export interface LoadAnswer {
  request: LoadRequest;
  /** By the schedule. */
  intendedMs: number;
  /** Undefined when it never was: then it certainly had no effect. */
  sentMs: number | undefined;
  /**
   * By how much the generator itself was late to look at the arrival: of a request that was never sent, it tells whether the
   * machine kept the generator from it, or the server, whose answers all connections were waiting for.
   */
  lateMs: number;
  endedMs: number;
  outcome: LoadOutcome;
  /** Whether its connection had carried an answer before: a server may close such a one while a request is on its way. */
  isReused: boolean;
  /** What was wrong, of `refused_connection` and `broken`: `ECONNRESET`, or a sentence. */
  problem?: string;
  status?: number;
  /** Names in lower case; repeated ones joined by ", ". Absent with `answers: 'status'`. */
  headers?: Readonly<Record<string, string>>;
  /** Decoded as UTF-8. Absent with `answers: 'status'`. */
  body?: string;
}

export interface LoadOptions {
  /** `http://host:port`. */
  origin: string;
  /** Kept open at most; each has one request under way. */
  connections: number;
  ratePerS: number;
  /** Gaps between arrivals: exponential, or all equal. */
  arrivals: 'poisson' | 'uniform';
  /** Of arrivals, unless they are ended before; what is under way then is waited for. */
  durationMs: number;
  /** Requests that may wait for a connection; what comes on top is shed. */
  pendingMax: number;
  /** From the intended time. */
  timeoutMs: number;
  /** `status` spares the work of keeping headers and bodies; default `whole`. */
  answers?: 'whole' | 'status';
}

export interface LoadDeps extends Pick<Runtime, 'clock' | 'random'> {
  /** Makes the request of arrival `n` = 0, 1, … when its time has come. */
  next: (n: number) => LoadRequest;
  /** Called once for each arrival, in the order in which they end. Must not throw. */
  onAnswer?: (answer: LoadAnswer) => void;
}

/** What came of a load. The outcomes add up to `planned`. */
export interface LoadSummary {
  /** Arrivals, until the schedule ended or was cut short. */
  planned: number;
  outcomes: Readonly<Record<LoadOutcome, number>>;
  /** Of what was answered, by status. */
  statuses: ReadonlyMap<number, number>;
  /** From the first intended moment to the last outcome. */
  elapsedMs: number;
  /** Of what was answered, from the intended time. */
  latency: LatencyHistogram;
  /** Of what was answered, from the time of sending. */
  service: LatencyHistogram;
  /** Of a core, by this process while it ran: near 1 the generator is what is measured. */
  generatorShare: number;
  /** By how much the generator itself was late to look at each arrival; a millisecond is a timer's. */
  lag: LatencyHistogram;
}
