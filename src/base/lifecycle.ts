/**
 * One lifecycle for everything that starts and stops.
 *
 * States:  idle ──start──▶ starting ──ok──▶ running ──stop──▶ stopping ──▶ stopped
 *            │                │ └─failed─▶ stopping ──▶ stopped
 *            └──────stop──────┴──(aborts the start, then cleans up)──▶ stopped
 *
 * `start` may be called again while starting or running and gives the same outcome; after a stop it is an error.
 * `stop` may be called at any time, any number of times, and always settles; all calls share one outcome.
 */
import { defineErrors } from './errors.ts';

export const lifecycleErrors = defineErrors('base', {
  stopped: {
    status: 503,
    title: 'The server is stopping',
    retryable: true,
    doc: 'The part of the server that would answer is shutting down. Retry; another process or the restarted one will answer.',
  },
});

export type Health = { status: 'ok' } | { status: 'failing'; reason: string };

export interface Lifecycle {
  readonly name: string;
  /** Resolves when ready to serve. Rejects, cleaned up, if it cannot or if `signal` aborts. */
  start(signal: AbortSignal): Promise<void>;
  /** Gives everything back. Work in hand may finish until `deadline` aborts, then it is cut off. */
  stop(deadline: AbortSignal): Promise<void>;
  health(): Health;
}

export interface LifecycleSteps {
  /** Undone by `stop`, also after failing halfway. */
  start(signal: AbortSignal): Promise<void>;
  stop(deadline: AbortSignal): Promise<void>;
  health?(): Health;
}

type State = 'idle' | 'starting' | 'running' | 'stopping' | 'stopped';

export function createLifecycle(name: string, steps: LifecycleSteps): Lifecycle {
  let state: State = 'idle';
  let started: Promise<void> | undefined;
  let stopped: Promise<void> | undefined;
  const stopping = new AbortController();

  async function runStart(signal: AbortSignal): Promise<void> {
    state = 'starting';
    try {
      const either = AbortSignal.any([signal, stopping.signal]);
      either.throwIfAborted();
      await steps.start(either);
      either.throwIfAborted();
      state = 'running';
    } catch (error) {
      await cleanUp(AbortSignal.abort(error)).catch(() => {});
      throw error;
    }
  }

  function cleanUp(deadline: AbortSignal): Promise<void> {
    stopped ??= (async () => {
      state = 'stopping';
      try {
        await steps.stop(deadline);
      } finally {
        state = 'stopped';
      }
    })();
    return stopped;
  }

  return {
    name,
    start(signal) {
      if (state === 'stopping' || state === 'stopped') {
        return started ?? Promise.reject(lifecycleErrors.stopped({ detail: `${name} has been stopped` }));
      }
      started ??= runStart(signal);
      return started;
    },
    async stop(deadline) {
      if (state === 'idle') {
        state = 'stopped';
        stopped = Promise.resolve();
        return;
      }
      if (state === 'starting') {
        stopping.abort(lifecycleErrors.stopped({ detail: `${name} was stopped while starting` }));
        await started?.catch(() => {});
      }
      return cleanUp(deadline);
    },
    health() {
      if (state !== 'running') return { status: 'failing', reason: `${name} is ${state}` };
      return steps.health?.() ?? { status: 'ok' };
    },
  };
}

/** Starts the parts in order and stops them in reverse; a part that fails to stop does not keep the others up. */
export function composeLifecycles(name: string, parts: readonly Lifecycle[]): Lifecycle {
  return createLifecycle(name, {
    async start(signal) {
      for (const part of parts) await part.start(signal);
    },
    async stop(deadline) {
      const failures: unknown[] = [];
      for (const part of parts.toReversed()) {
        await part.stop(deadline).catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0)
        throw new AggregateError(failures, `${name}: ${failures.length} parts failed to stop`);
    },
    health() {
      for (const part of parts) {
        const health = part.health();
        if (health.status === 'failing') return health;
      }
      return { status: 'ok' };
    },
  });
}
