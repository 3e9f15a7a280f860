/**
 * The states of a job, and every way from one to another.
 *
 *               ┌──────────────── enqueued ───────────────┐
 *               ▼ later                                   ▼ at once
 *           scheduled ───────────── due ───────────────▶ ready ◀── released ── held
 *               ▲                                        │ │ ▲                  ▲
 *               │                                claimed │ │ │ key at its limit │
 *               │                                        ▼ └─│──────────────────┘
 *               └──── failed, attempts left ─────────── running
 *                                                        │ │ └── given back, or the worker is lost ──▶ ready
 *                              failed, no attempt left   │ │
 *           dead ◀───────────────────────────────────────┘ └── succeeded ──▶ done
 *            └── redriven ──▶ ready
 *
 *           scheduled, ready, held, dead ── discarded, replaced, dropped ──▶ gone
 *
 * `running` is not written into the job: it is running while its id stands in a worker's lease. `failed` with attempts
 * left waits for a back-off; the loss of a worker counts as a failed attempt, but waits only from the second one on,
 * because most often it is the process that was at fault and not the job.
 *
 * The tables follow this by statements of their own (stores/postgres, migrations/); store.suite.ts holds them to it.
 */

export type GoneBy = 'discarded' | 'replaced' | 'dropped';

export type JobState =
  | { kind: 'scheduled'; runAtMs: number }
  | { kind: 'ready' }
  | { kind: 'held' }
  | { kind: 'running' }
  | { kind: 'done' }
  | { kind: 'dead' }
  | { kind: 'gone'; by: GoneBy };

export interface JobMachine {
  state: JobState;
  /** Those that have ended without success. */
  attempts: number;
  attemptsMax: number;
}

export type JobEvent =
  | { kind: 'due'; nowMs: number }
  | { kind: 'claimed' }
  | { kind: 'held' }
  | { kind: 'released' }
  | { kind: 'given_back' }
  | { kind: 'succeeded' }
  /** `retryAtMs` is undefined for a failure that no further attempt would help. */
  | { kind: 'failed'; retryAtMs: number | undefined }
  | { kind: 'worker_lost'; retryAtMs: number }
  | { kind: 'redriven' }
  | { kind: 'retried' }
  | { kind: 'removed'; by: GoneBy };

type Next = (job: JobMachine, event: JobEvent) => JobMachine | undefined;

const READY: JobState = { kind: 'ready' };

function failed({ attempts, attemptsMax }: JobMachine, later: JobState | undefined): JobMachine {
  const ended = attempts + 1;
  return {
    attempts: ended,
    attemptsMax,
    state: later === undefined || ended >= attemptsMax ? { kind: 'dead' } : later,
  };
}

function nextOfWaiting(job: JobMachine, event: JobEvent): JobMachine | undefined {
  if (event.kind === 'removed') return { ...job, state: { kind: 'gone', by: event.by } };
  return event.kind === 'retried' ? { ...job, state: READY } : undefined;
}

function nextOfRunning(job: JobMachine, event: JobEvent): JobMachine | undefined {
  switch (event.kind) {
    case 'succeeded':
      return { ...job, state: { kind: 'done' } };
    case 'given_back':
      return { ...job, state: READY };
    case 'failed': {
      const { retryAtMs } = event;
      return failed(job, retryAtMs === undefined ? undefined : { kind: 'scheduled', runAtMs: retryAtMs });
    }
    case 'worker_lost':
      return failed(job, job.attempts === 0 ? READY : { kind: 'scheduled', runAtMs: event.retryAtMs });
    case 'removed':
      return event.by === 'replaced' ? { ...job, state: { kind: 'gone', by: 'replaced' } } : undefined;
    default:
      return undefined;
  }
}

const nextOf: Record<JobState['kind'], Next> = {
  scheduled(job, event) {
    const isDue = event.kind === 'due' && job.state.kind === 'scheduled' && job.state.runAtMs <= event.nowMs;
    return isDue ? { ...job, state: READY } : nextOfWaiting(job, event);
  },
  ready(job, event) {
    if (event.kind === 'claimed') return { ...job, state: { kind: 'running' } };
    if (event.kind === 'held') return { ...job, state: { kind: 'held' } };
    return nextOfWaiting(job, event);
  },
  held: (job, event) => (event.kind === 'released' ? { ...job, state: READY } : nextOfWaiting(job, event)),
  running: nextOfRunning,
  dead(job, event) {
    if (event.kind === 'redriven' || event.kind === 'retried') return { ...job, attempts: 0, state: READY };
    const isDiscarded = event.kind === 'removed' && event.by === 'discarded';
    return isDiscarded ? { ...job, state: { kind: 'gone', by: 'discarded' } } : undefined;
  },
  done: () => undefined,
  gone: () => undefined,
};

/** Where `event` takes the job; undefined when it cannot happen to a job in that state. */
export function nextState(job: JobMachine, event: JobEvent): JobMachine | undefined {
  return nextOf[job.state.kind](job, event);
}
