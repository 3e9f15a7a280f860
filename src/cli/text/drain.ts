/**
 * What a drain would discard, in words.
 */
import { toTime } from '#base/values/time';
import type { JobInspection } from '#blocks/queue';
import { formatCount, formatTime } from './text.ts';

type Waiting = Awaited<ReturnType<JobInspection['waiting']>>;

export function waitingToJson({ ready, scheduled, held, firstRunAtMs, lastRunAtMs }: Waiting) {
  return { ready, scheduled, held, firstRunAt: toTime(firstRunAtMs), lastRunAt: toTime(lastRunAtMs) };
}

function describeTimes({ firstRunAtMs, lastRunAtMs }: Waiting): string {
  if (firstRunAtMs === undefined || lastRunAtMs === undefined) return '';
  if (firstRunAtMs === lastRunAtMs) return ` (for ${formatTime(firstRunAtMs)})`;
  return ` (from ${formatTime(firstRunAtMs)} to ${formatTime(lastRunAtMs)})`;
}

/** For a person who has not confirmed it. */
export function renderDrain(queue: string, waiting: Waiting): string {
  const { ready, scheduled, held, whenDrained } = waiting;
  const parts = [
    [ready, 'ready'],
    [held, 'held'],
    [scheduled, `scheduled${describeTimes(waiting)}`],
  ].flatMap(([count, state]) => (count === 0 ? [] : [`${count} ${state}`]));
  const total = ready + scheduled + held;
  const verb = total === 1 ? 'waits' : 'wait';
  return [
    `${formatCount(total, 'job')} of the queue ${queue} ${verb}: ${parts.join(', ')}`,
    ...(whenDrained === undefined ? [] : [whenDrained]),
    `Nothing has been discarded; to discard ${total === 1 ? 'it' : 'them'}: loadstone jobs drain ${queue} --yes`,
  ].join('\n');
}
