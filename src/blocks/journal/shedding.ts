/**
 * Records that were not kept: counted, and told in the log once per second at most.
 */
import type { Timer } from '#base/clock';
import { describeError } from '#base/errors';
import type { Runtime } from '#base/runtime';

export interface Shedding {
  /** Told of each loss. */
  shed(records: number, error: Error): void;
  /** Told that records are kept again. */
  end(): void;
  /** Records shed so far. */
  count(): number;
  close(): void;
}

const LOG_EVERY_MS = 1000;

export function createShedding(journal: string, { clock, log }: Pick<Runtime, 'clock' | 'log'>): Shedding {
  let count = 0;
  let told = 0;
  let reason = '';
  let isGoingOn = false;
  let timer: Timer | undefined;
  let isClosed = false;

  function tell(): void {
    timer = undefined;
    if (count > told) {
      log.warn({ journal, records: count - told, reason }, 'records are not kept');
      told = count;
      timer = clock.after(LOG_EVERY_MS, tell, 'background');
    } else if (!isGoingOn) tellEnd();
  }

  function tellEnd(): void {
    log.info({ journal, records: count }, 'records are kept again');
  }

  return {
    shed(records, error) {
      count += records;
      if (!isGoingOn) reason = describeError(error);
      isGoingOn = true;
      if (!timer && !isClosed) tell();
    },
    end() {
      if (isGoingOn && !timer) tellEnd();
      isGoingOn = false;
    },
    count: () => count,
    close() {
      isClosed = true;
      timer?.cancel();
      if (count > told) log.warn({ journal, records: count - told, reason }, 'records were not kept');
    },
  };
}
