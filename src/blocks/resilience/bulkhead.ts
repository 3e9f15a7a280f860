/**
 * A bulkhead: of one kind of work only so much is under way, so that one slow part cannot hold everything that all others
 * need. Who finds no place waits in turn, for a bounded time; of those that wait there is a bound too.
 */
import type { Clock } from '#base/clock';
import type { Metrics } from '#base/metrics';
import { resilienceErrors } from './errors.ts';
import { type BulkheadCounts, emitBulkheadMetrics } from './metrics.ts';
import type { BulkheadOptions } from './options.ts';

export interface Bulkhead {
  /**
   * Runs `work` when it has a place. A signal ends the wait, not the work: what is under way keeps its place until it ends.
   * @throws bulkhead_full, the signal's reason while it waits, and what `work` throws
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  inFlight(): number;
  waiting(): number;
}

export interface BulkheadDeps {
  /** What it guards, in metrics and errors. */
  name: string;
  clock: Clock;
  metrics?: Metrics;
}

interface Waiter {
  /** It has a place. */
  admit(): void;
}

/** @param options checked by `bulkheadOptions` */
export function createBulkhead(options: BulkheadOptions, { name, clock, metrics }: BulkheadDeps): Bulkhead {
  const { concurrencyMax, waitingMax, waitMsMax } = options;
  const counts: BulkheadCounts = { ran: 0, refused: 0, left: 0 };
  /** In the order in which they came; who leaves is out at once, and holds nobody's place. */
  const waiters = new Set<Waiter>();
  let inFlight = 0;

  function refusal(detail: string) {
    counts.refused += 1;
    return resilienceErrors.bulkhead_full({ detail: `${name}: ${detail}`, retryAfterS: 1 });
  }

  function wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    function end(): void {
      waiters.delete(waiter);
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
    function onAbort(): void {
      end();
      counts.left += 1;
      reject(signal?.reason);
    }
    const waiter: Waiter = {
      admit() {
        end();
        resolve();
      },
    };
    const timer = clock.after(waitMsMax, () => {
      end();
      reject(refusal(`no place within ${waitMsMax} ms`));
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    waiters.add(waiter);
    return promise;
  }

  /** A place that becomes free is the next one's, without being free in between. */
  function release(): void {
    const [next] = waiters;
    if (next) next.admit();
    else inFlight -= 1;
  }

  if (metrics) {
    emitBulkheadMetrics(metrics, name, { counts, inFlight: () => inFlight, waiting: () => waiters.size });
  }
  return {
    async run(work, signal) {
      signal?.throwIfAborted();
      if (inFlight < concurrencyMax) inFlight += 1;
      else if (waiters.size < waitingMax) await wait(signal);
      else throw refusal(`${concurrencyMax} under way, ${waitingMax} waiting`);
      counts.ran += 1;
      try {
        return await work();
      } finally {
        release();
      }
    },
    inFlight: () => inFlight,
    waiting: () => waiters.size,
  };
}
