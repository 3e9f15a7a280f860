/**
 * How long a calibration spends on what.
 */
export interface Speed {
  /** All turns of a throughput at one concurrency, and each warm-up. */
  pointMs: number;
  /** Each rate of a search for a knee. */
  trialMs: number;
  trialsMax: number;
  triesAgain: boolean;
  /** No rate is tried after this time. */
  searchMsMax: number;
  /** For all that is measured again because others were busy. */
  repeatMsMax: number;
  /** Requests under way at once. */
  concurrencies: readonly number[];
  /** Calls under way at once, of blocks. */
  callers: readonly number[];
  /** Items of each system that are made before, to be read. */
  items: number;
}

export const SECONDS_DEFAULT = 150;
export const SECONDS_QUICK = 36;
export const SECONDS_MIN = 20;
export const SECONDS_MAX = 3600;
/** Below this a search tries few rates, and each once. */
const SECONDS_THOROUGH = 90;
/** Shares of all the time, such that the longest searches still fit. */
/** So much longer a calibration may take where the machine is not quiet. */
const REPEAT_SHARE = 0.6;
const [POINT_SHARE, TRIAL_SHARE, SEARCH_SHARE] = [1.2 / 150, 2 / 150, 12 / 150];

/** @param seconds about as long as the whole takes */
export function speedOf(seconds: number): Speed {
  const isThorough = seconds >= SECONDS_THOROUGH;
  const ms = seconds * 1000;
  return {
    pointMs: ms * POINT_SHARE,
    trialMs: ms * TRIAL_SHARE,
    trialsMax: isThorough ? 8 : 6,
    triesAgain: isThorough,
    searchMsMax: ms * SEARCH_SHARE,
    repeatMsMax: ms * REPEAT_SHARE,
    concurrencies: isThorough ? [1, 2, 4, 8, 16, 32, 64] : [1, 2, 4, 8, 32],
    callers: [1, 4, 16, 64, 256],
    items: isThorough ? 2000 : 1000,
  };
}
