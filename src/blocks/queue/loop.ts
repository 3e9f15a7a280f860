/**
 * Does something again and again: one run at a time, each a while after the last, none after the stop.
 */
import type { Clock, Timer } from '#base/clock';

export interface Loop {
  begin(inMs?: number): void;
  /** Resolves when nothing of it is under way any more. */
  stop(): Promise<void>;
}

/**
 * @param work gives the milliseconds until it is to be done again
 * @param failed is told what it threw, and gives the same
 */
export function createLoop(
  clock: Clock,
  work: () => Promise<number>,
  failed: (error: unknown) => number,
): Loop {
  let timer: Timer | undefined;
  let running: Promise<void> | undefined;
  let isStopped = false;

  async function run(): Promise<void> {
    const inMs = await work().catch(failed);
    if (!isStopped) schedule(inMs);
  }

  function schedule(inMs: number): void {
    timer = clock.after(
      inMs,
      () => {
        running = run();
      },
      'background',
    );
  }

  return {
    begin: (inMs = 0) => schedule(inMs),
    async stop() {
      isStopped = true;
      timer?.cancel();
      await running;
    },
  };
}
