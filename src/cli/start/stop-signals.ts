/**
 * Stop signals. npm forwards a signal that the terminal has sent already, and terminals repeat: signals within 500 ms
 * are one. The first asks for a clean stop, a later one for a stop at once.
 */
import type { Clock } from '#base/clock';
import { watchTerminal } from '../terminal.ts';

const SAME_SIGNAL_MS = 500;
const PARENT_POLL_MS = 500;

/** Pure: whether a signal at `nowMs` is a first one, the same again, or a second one. */
export function judgeSignal(firstMs: number | undefined, nowMs: number): 'first' | 'same' | 'second' {
  if (firstMs === undefined) return 'first';
  return nowMs - firstMs < SAME_SIGNAL_MS ? 'same' : 'second';
}

export interface StopListeners {
  onFirst: () => void;
  /** May be called more than once. */
  onSecond: () => void;
  /** In the place of a stop, on a SIGHUP that does not come of a terminal that has gone. Not while a stop is under way. */
  onHangUp?: () => void;
}

/**
 * Listens until the process ends, since a repeated signal may come after the stop has finished, and would then kill.
 * @param isUnderNpm whether npm or npx started this process
 */
export function onStopSignals(
  clock: Clock,
  isUnderNpm: boolean,
  { onFirst, onSecond, onHangUp }: StopListeners,
): void {
  const isTerminalGone = watchTerminal();
  let firstMs: number | undefined;
  function onSignal(): void {
    const nowMs = clock.monotonicMs();
    const judged = judgeSignal(firstMs, nowMs);
    if (judged === 'second') onSecond();
    if (judged !== 'first') return;
    firstMs = nowMs;
    onFirst();
  }
  /** Its end is ours, but no reason to hurry. */
  function onParentGone(): void {
    if (firstMs === undefined) onSignal();
  }
  function onHangUpSignal(): void {
    if (onHangUp === undefined || isTerminalGone()) onSignal();
    else if (firstMs === undefined) onHangUp();
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, onSignal);
  process.on('SIGHUP', onHangUpSignal);
  // Present only when an older Node handed over and waits.
  if (process.channel) {
    process.on('disconnect', onParentGone);
    process.channel.unref();
  }
  if (isUnderNpm) watchParent(clock, onParentGone);
}

/** npx runs a program through a shell that dies of npx's signal without passing it on. */
function watchParent(clock: Clock, onGone: () => void): void {
  const parentPid = process.ppid;
  function look(): void {
    if (process.ppid === parentPid) clock.after(PARENT_POLL_MS, look, 'background');
    else onGone();
  }
  look();
}
