/**
 * Where log lines go: a file descriptor, in batches, because a write a line costs a third of the throughput of a
 * redirect. A reader that is slow or gone never holds up the server: what does not fit is dropped and counted.
 *
 * Pino's own destination (sonic-boom 4) was rejected: its `flushSync` tries again for ever on any error, such as EIO
 * from a closed terminal or ENOSPC, so that the process does not end; and its backlog has no bound.
 */
import { write, writeSync } from 'node:fs';
import type { Clock, Timer } from '../clock.ts';

export interface LogDestination {
  /** Takes a whole line, with its line break. Never throws. */
  write(line: string): void;
  /** Writes what is waiting, as far as that is possible within a second. Never throws. */
  flushSync(): void;
}

const FLUSH_MS = 200;
const BATCH_CHARS = 32_768;
const BACKLOG_CHARS_MAX = 4_194_304;
const AGAIN_MS = 20;
const AGAIN_MAX = 50;

/** A terminal or pipe that is full, and that takes no more just now. */
function isBusy(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN';
}

/** Lines are written at least every 200 ms; past a backlog of 4 Mi characters they are dropped. */
export function createLogDestination(fd: number, clock: Clock): LogDestination {
  let lines: string[] = [];
  let chars = 0;
  let dropped = 0;
  let timer: Timer | undefined;
  /** Taken from the lines and not yet written; `isInFlight` while the system has it. */
  let sending: Buffer | undefined;
  let isInFlight = false;

  function takeLines(): Buffer {
    if (dropped > 0) lines.push(`${JSON.stringify({ level: 'warn', dropped, msg: 'log lines dropped' })}\n`);
    const batch = Buffer.from(lines.join(''));
    [lines, chars, dropped] = [[], 0, 0];
    return batch;
  }

  function send(): void {
    timer?.cancel();
    timer = undefined;
    if (sending !== undefined || lines.length === 0) return;
    sending = takeLines();
    sendRest();
  }

  function sendRest(): void {
    if (sending === undefined) return;
    isInFlight = true;
    write(fd, sending, (error, written) => {
      isInFlight = false;
      if (error && isBusy(error)) {
        clock.after(AGAIN_MS, sendRest, 'background');
        return;
      }
      const rest = error ? undefined : sending?.subarray(written);
      sending = rest?.length ? rest : undefined;
      if (sending) sendRest();
      else send();
    });
  }

  return {
    write(line) {
      if (chars + line.length > BACKLOG_CHARS_MAX) {
        dropped += 1;
        return;
      }
      lines.push(line);
      chars += line.length;
      if (chars >= BATCH_CHARS) send();
      else timer ??= clock.after(FLUSH_MS, send, 'background');
    },
    flushSync() {
      timer?.cancel();
      timer = undefined;
      const held = isInFlight ? undefined : sending;
      let rest = Buffer.concat([held ?? Buffer.alloc(0), takeLines()]);
      if (held) sending = undefined;
      for (let again = 0; rest.length > 0 && again < AGAIN_MAX; ) {
        try {
          rest = rest.subarray(writeSync(fd, rest));
        } catch (error) {
          if (!isBusy(error)) return;
          again += 1;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_MS);
        }
      }
    },
  };
}
