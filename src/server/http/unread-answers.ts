/**
 * Closes connections whose answers are not read: what the kernel does not take any more is kept in memory, with all that
 * is under way behind it.
 */
import type { Socket } from 'node:net';
import type { Timer } from '#base/clock';
import type { Runtime } from '#base/runtime';

export interface UnreadAnswers {
  /** For each new connection. */
  watch(socket: Socket): void;
}

interface Unsent {
  bytes: number;
  /** How often it was the same. */
  looks: number;
}

/**
 * A look at the connections is taken so often within the time that they have. Looks are counted, and not time: while this
 * process stands still, nobody can read.
 */
const LOOKS = 4;

/** What has been written and is not in the kernel yet. Falls while a client reads, even amid one long write. */
function unsentBytes(socket: Socket): number {
  if (socket.writableLength === 0) return 0;
  const { _handle: handle } = socket as unknown as { _handle: { writeQueueSize: number } | null };
  return (handle?.writeQueueSize ?? 0) + socket.writableLength;
}

export function createUnreadAnswers(
  options: { unreadMsMax: number },
  deps: Pick<Runtime, 'clock' | 'log'>,
): UnreadAnswers {
  const { unreadMsMax } = options;
  const { clock, log } = deps;
  const open = new Map<Socket, Unsent>();
  let timer: Timer | undefined;

  function isStuck(socket: Socket, seen: Unsent): boolean {
    const bytes = unsentBytes(socket);
    seen.looks = bytes !== 0 && bytes === seen.bytes ? seen.looks + 1 : 0;
    seen.bytes = bytes;
    return seen.looks >= LOOKS;
  }

  function look(): void {
    let closed = 0;
    for (const [socket, seen] of open) {
      if (!isStuck(socket, seen)) continue;
      socket.destroy();
      closed += 1;
    }
    // One line for all, since an attacker makes many.
    if (closed > 0) log.info({ connections: closed, unreadMsMax }, 'closed connections that read no answers');
    timer = undefined;
    arm();
  }

  /** Without connections there is nothing to look at, and an idle server sleeps. */
  function arm(): void {
    if (timer !== undefined || open.size === 0) return;
    timer = clock.after(unreadMsMax / LOOKS, look, 'background');
  }

  return {
    watch(socket) {
      open.set(socket, { bytes: 0, looks: 0 });
      socket.once('close', () => open.delete(socket));
      arm();
    },
  };
}
