/**
 * An open-loop load: requests are sent when their time has come, whether or not earlier ones have been answered, and each
 * latency counts from the time at which its request should have been sent. A server that stalls is seen to stall
 * (Tene, "How NOT to Measure Latency": no coordinated omission).
 */
import assert from 'node:assert/strict';
import { createGenerator } from './generator.ts';
import type { LoadDeps, LoadOptions, LoadSummary } from './load-shape.ts';
import { parseOrigin } from './request-bytes.ts';

export interface Load {
  /**
   * Runs the schedule once. When `signal` aborts, what waits is shed, what is under way is cut (`broken`), and the summary
   * is of what has been done until then.
   * @param enough when it aborts, nothing more arrives, and what is under way is waited for: a load that goes on until
   * something has been seen, without the gap that a second one would come after
   */
  run(signal: AbortSignal, enough?: AbortSignal): Promise<LoadSummary>;
}

/** A load that has not begun. It holds sockets only while it runs. @throws load_origin_invalid */
export function createLoad(options: LoadOptions, deps: LoadDeps): Load {
  const { connections, ratePerS, durationMs, pendingMax, timeoutMs } = options;
  for (const each of [connections, pendingMax]) assert(Number.isInteger(each) && each >= 1);
  for (const each of [ratePerS, durationMs, timeoutMs]) assert(Number.isFinite(each) && each > 0);
  const origin = parseOrigin(options.origin);
  return {
    async run(signal, enough) {
      const generator = createGenerator(options, origin, deps);
      if (signal.aborted) generator.cut();
      if (enough?.aborted) generator.end();
      signal.addEventListener('abort', generator.cut, { once: true });
      enough?.addEventListener('abort', generator.end, { once: true });
      try {
        return await generator.run();
      } finally {
        signal.removeEventListener('abort', generator.cut);
        enough?.removeEventListener('abort', generator.end);
      }
    },
  };
}
