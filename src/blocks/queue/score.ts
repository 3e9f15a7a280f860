/**
 * The place of a job in line: one number that never changes while it waits, smallest first.
 *
 *     score = (runAtMs − origin − priority × stepMs) × 4096 + order within the millisecond
 *
 * Ageing without rescoring: every waiting job grows older at the same rate, so the order between two of them never
 * changes, and a priority is nothing but a head start. A job of priority 0 is overtaken only by those enqueued up to
 * 9 × stepMs after it. The order within the millisecond keeps the scores of a process apart, up to 4,096 jobs a
 * millisecond: so "from this score on" says where a claim has been, and no run of equal scores has to be read again.
 *
 * Rejected: `order by priority desc, run_at`, by which low priorities starve; and a score raised while waiting, which
 * writes every waiting row again and again.
 */

/** Scores stay below 2^53 until 2095. */
const ORIGIN_MS = Date.UTC(2026, 0, 1);
const ORDERS = 4096;

export const SCORE_MIN = -(2 ** 53) + 1;
/** The last millisecond that a job can be scheduled for. */
export const RUN_AT_MS_MAX = Date.UTC(2095, 0, 1);

export interface Scores {
  /**
   * @param runAtMs whole Unix milliseconds, at most `RUN_AT_MS_MAX`
   * @param nowMs as `runAtMs` was made from: read a second time, the clock may have gone on, and a job would begin the
   * order of a millisecond that others are in already
   */
  next(runAtMs: number, priority: number, nowMs: number): number;
  /** What `runAtMs` was, by score and priority. */
  runAtMs(score: number, priority: number): number;
}

export function createScores({ priorityStepMs }: { priorityStepMs: number }): Scores {
  let lastMs = 0;
  let order = 0;

  function nextOrder(nowMs: number): number {
    if (nowMs !== lastMs) {
      lastMs = nowMs;
      order = 0;
    }
    return order++ % ORDERS;
  }

  return {
    next: (runAtMs, priority, nowMs) =>
      (runAtMs - ORIGIN_MS - priority * priorityStepMs) * ORDERS + nextOrder(nowMs),
    runAtMs: (score, priority) => Math.floor(score / ORDERS) + ORIGIN_MS + priority * priorityStepMs,
  };
}
