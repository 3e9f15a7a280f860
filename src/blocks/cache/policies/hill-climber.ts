/**
 * Finds the share of the window that serves this load best, by trying: "Adaptive Software Cache Management" (Einziger, Eytan,
 * Friedman, Manes, Middleware 2018). After each sample of requests the share takes a step; when the ratio of hits got better
 * it goes on that way, else it turns round. Steps get smaller, and as large as at first when the load has changed.
 */
export interface HillClimber {
  /** The window's share of all entries. */
  share(): number;
  /** A sample has ended. */
  step(hitRatio: number): void;
}

export const SHARE_AT_FIRST = 0.01;
export const SHARE_MIN = 0.01;
export const SHARE_MAX = 0.8;
const STEP_AT_FIRST = 0.0625;
const STEP_DECAY = 0.98;
/** A ratio that changes by so much is of another load. */
const RESTART_CHANGE = 0.05;

/** @returns one that stands at the least share, and will go up first */
export function createHillClimber(): HillClimber {
  let share = SHARE_AT_FIRST;
  let stepBy = STEP_AT_FIRST;
  let before = 0;
  return {
    share: () => share,
    step(hitRatio) {
      const change = hitRatio - before;
      before = hitRatio;
      const direction = change >= 0 ? stepBy : -stepBy;
      share = Math.min(SHARE_MAX, Math.max(SHARE_MIN, share + direction));
      const isOther = Math.abs(change) >= RESTART_CHANGE;
      stepBy = isOther ? Math.sign(direction) * STEP_AT_FIRST : direction * STEP_DECAY;
    },
  };
}
