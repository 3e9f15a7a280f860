/**
 * How commands answer and end that need no installation: they work on files.
 */
import { systemClock } from '#base/clock';
import { type Answer, say } from '../command.ts';
import { onStopSignals } from '../start/stop-signals.ts';

const EXIT_INTERRUPTED = 130;

/** Does the work until Ctrl-C, and says its answer. @throws what the work throws */
export async function untilInterrupted(
  flags: { json?: boolean },
  work: (signal: AbortSignal) => Promise<Answer>,
): Promise<void> {
  const interrupt = new AbortController();
  const abort = () => interrupt.abort(new Error('interrupted'));
  onStopSignals(systemClock, process.env.npm_lifecycle_event !== undefined, {
    onFirst: abort,
    onSecond: () => process.exit(EXIT_INTERRUPTED),
  });
  try {
    say(await work(interrupt.signal), flags);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = EXIT_INTERRUPTED;
  }
}
