/**
 * A circuit breaker: what keeps failing is left alone for a while, so that callers learn at once what they would learn after
 * a deadline, and what is failing has time to recover.
 *
 *              too many failures                 its time is over, and somebody calls
 *    closed ───────────────────────▶ open ─────────────────────────────────────────▶ half open
 *      ▲                              ▲                                              │    │
 *      │                              └─ a probe fails, or they take too long (×2) ──┘    │
 *      └──────────────────────── enough probes in a row succeed ──────────────────────────┘
 *
 * - closed: all calls pass. It opens after `failuresInRow`, or when `failureShare` of at least `callsMin` calls of the window failed.
 * - open: no call passes until `untilMs`. There is no timer: the first call after that makes it half open.
 * - half open: at most `probesMax` calls at a time, all others are refused. Nobody waits for the outcome: a queue here would
 *   be as long as there are callers.
 *
 * A call that ends after the state in which it began counts nothing: it tells of a time that is over. Each state has a
 * number, its term; a pass carries it.
 */
import { type Backoff, backoffMs } from '#base/backoff';
import { isLoadstoneError } from '#base/errors';
import type { Log } from '#base/log';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import { resilienceErrors } from './errors.ts';
import { type BreakerCounts, emitBreakerMetrics } from './metrics.ts';
import type { BreakerOptions } from './options.ts';
import { createOutcomeWindow } from './window.ts';

type State =
  | { kind: 'closed'; term: number; failuresInRow: number }
  /** `openings`: how often in a row it has opened, from 1. */
  | { kind: 'open'; term: number; openings: number; untilMs: number }
  | { kind: 'half_open'; term: number; openings: number; untilMs: number; probes: number; succeeded: number };

export type BreakerState = State['kind'];

/** `ignored`: it tells nothing, since whoever called has left. */
export type CallOutcome = 'success' | 'failure' | 'ignored';

/** What a call that was let through gives back when it ends. */
export type Pass = number;

export interface Breaker {
  /** Before a call. @throws breaker_open */
  enter(): Pass;
  /** After it, once for each pass. */
  leave(pass: Pass, outcome: CallOutcome): void;
  /**
   * Both around `work`. An error counts as `isFailure` says; when `signal` has aborted it is ignored.
   * @throws breaker_open, and what `work` throws
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Whether a call would be let through now. */
  isPassable(): boolean;
  state(): BreakerState;
}

export interface BreakerDeps extends Pick<Runtime, 'clock' | 'random'> {
  /** What it guards, in metrics, logs and errors. */
  name: string;
  metrics?: Metrics;
  log?: Log;
  /** Whether an error tells that what was called is ill. By default all but coded ones below 500, which are answers. */
  isFailure?: (error: unknown) => boolean;
}

const tellsIllness = (error: unknown) => !isLoadstoneError(error) || error.status >= 500;

/** The states and what moves between them. */
function createStates(
  options: BreakerOptions,
  { name, clock, random, log }: BreakerDeps,
  counts: BreakerCounts,
) {
  const { failuresInRow, failureShare, callsMin, probesMax, probesNeeded, probeMsMax } = options;
  const backoff: Backoff = { baseMs: options.openMs, maxMs: Math.max(options.openMs, options.openMsMax) };
  const window = createOutcomeWindow(options.windowMs);
  let state: State = { kind: 'closed', term: 0, failuresInRow: 0 };

  function open(openings: number): void {
    const forMs = backoffMs(backoff, openings, random);
    state = { kind: 'open', term: state.term + 1, openings, untilMs: clock.monotonicMs() + forMs };
    counts.opened += 1;
    if (openings === 1) log?.warn({ breaker: name, forMs: Math.round(forMs) }, 'a breaker has opened');
  }

  function close(): void {
    window.clear();
    state = { kind: 'closed', term: state.term + 1, failuresInRow: 0 };
    log?.info({ breaker: name }, 'a breaker has closed');
  }

  /** What time alone has changed. */
  function look(nowMs: number): State {
    if (state.kind === 'half_open' && nowMs >= state.untilMs) open(state.openings + 1);
    return state;
  }

  return {
    current: () => look(clock.monotonicMs()),
    /** Whether a call passes; if so it has entered. */
    admit(): boolean {
      const nowMs = clock.monotonicMs();
      let current = look(nowMs);
      if (current.kind === 'open' && nowMs >= current.untilMs) {
        const { term, openings } = current;
        const untilMs = nowMs + probeMsMax;
        current = { kind: 'half_open', term: term + 1, openings, untilMs, probes: 0, succeeded: 0 };
        state = current;
      }
      if (current.kind === 'half_open' && current.probes < probesMax) {
        current.probes += 1;
        return true;
      }
      return current.kind === 'closed';
    },
    settle(term: number, outcome: CallOutcome): void {
      const nowMs = clock.monotonicMs();
      const current = look(nowMs);
      if (current.term !== term || current.kind === 'open') return;
      if (current.kind === 'half_open') {
        current.probes -= 1;
        if (outcome === 'failure') open(current.openings + 1);
        else if (outcome === 'success' && ++current.succeeded >= probesNeeded) close();
        return;
      }
      if (outcome === 'ignored') return;
      window.add(outcome === 'failure', nowMs);
      current.failuresInRow = outcome === 'failure' ? current.failuresInRow + 1 : 0;
      if (outcome === 'success') return;
      const calls = window.calls(nowMs);
      const isShareFailing = calls >= callsMin && window.failures(nowMs) >= failureShare * calls;
      if (isShareFailing || current.failuresInRow >= failuresInRow) open(1);
    },
  };
}

/** @param options checked by `breakerOptions` */
export function createBreaker(options: BreakerOptions, deps: BreakerDeps): Breaker {
  const { name, clock, metrics, isFailure = tellsIllness } = deps;
  const counts: BreakerCounts = { success: 0, failure: 0, ignored: 0, refused: 0, opened: 0 };
  const states = createStates(options, deps, counts);
  if (metrics) emitBreakerMetrics(metrics, name, { counts, state: () => states.current().kind });

  function refusal() {
    const current = states.current();
    const waitMs = 'untilMs' in current ? Math.max(0, current.untilMs - clock.monotonicMs()) : 0;
    counts.refused += 1;
    return resilienceErrors.breaker_open({
      detail: `${name} has failed lately and is left alone`,
      retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)),
    });
  }

  const breaker: Breaker = {
    enter() {
      if (!states.admit()) throw refusal();
      return states.current().term;
    },
    leave(pass, outcome) {
      counts[outcome] += 1;
      states.settle(pass, outcome);
    },
    async run(work, signal) {
      const pass = breaker.enter();
      try {
        const result = await work();
        breaker.leave(pass, 'success');
        return result;
      } catch (error) {
        const told = isFailure(error) ? 'failure' : 'success';
        breaker.leave(pass, signal?.aborted ? 'ignored' : told);
        throw error;
      }
    },
    isPassable() {
      const current = states.current();
      if (current.kind === 'half_open') return current.probes < options.probesMax;
      return current.kind === 'closed' || clock.monotonicMs() >= current.untilMs;
    },
    state: () => states.current().kind,
  };
  return breaker;
}
