/**
 * Stop signals. npm forwards a signal that the terminal has sent already, and terminals repeat: signals within 500 ms
 * are one. The first asks for a clean stop, a later one for a stop at once.
 */
import type { Clock } from '#base/clock';

const SAME_SIGNAL_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Pure: whether a signal at `nowMs` is a first one, the same again, or a second one. */
export function judgeSignal(firstMs: number | undefined, nowMs: number): 'first' | 'same' | 'second' {
  if (firstMs === undefined) return 'first';
  return nowMs - firstMs < SAME_SIGNAL_MS ? 'same' : 'second';
}

/**
 * Listens until the process ends, since a repeated signal may come after the stop has finished, and would then kill.
 * @param onSecond may be called more than once
 */
export function onStopSignals(clock: Clock, onFirst: () => void, onSecond: () => void): void {
  let firstMs: number | undefined;
  function onSignal(): void {
    const nowMs = clock.monotonicMs();
    const judged = judgeSignal(firstMs, nowMs);
    if (judged === 'second') onSecond();
    if (judged !== 'first') return;
    firstMs = nowMs;
    onFirst();
  }
  for (const signal of SIGNALS) process.on(signal, onSignal);
  // Present only when an older Node handed over and waits. Its end is ours, but no reason to hurry.
  if (process.channel) {
    process.on('disconnect', () => {
      if (firstMs === undefined) onSignal();
    });
    process.channel.unref();
  }
}
