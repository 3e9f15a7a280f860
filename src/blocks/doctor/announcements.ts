/**
 * When to say that vacuum is held back: when it begins, again at growing spaces while it lasts, and when it ends. Pure.
 *
 * States:  clear ──somebody is over the limit──▶ held ──nobody is──▶ clear
 */
export interface Spacing {
  repeatMsMin: number;
  repeatMsMax: number;
}

/** What to say now, if anything. */
export type Announcement =
  | { kind: 'begins' }
  | { kind: 'lasts'; heldMs: number }
  | { kind: 'ends'; heldMs: number };

type State =
  | { kind: 'clear' }
  | { kind: 'held'; sinceMs: number; owner: string; saidMs: number; spaceMs: number };

export interface Announcements {
  /**
   * @param owner who is over the limit, if anybody is
   * @param nowMs on a clock that never steps back
   */
  next(owner: string | undefined, nowMs: number): Announcement | undefined;
}

/** Another owner is told `repeatMsMin` after the last line at the earliest, and the spaces start anew with it. */
export function createAnnouncements({ repeatMsMin, repeatMsMax }: Spacing): Announcements {
  let state: State = { kind: 'clear' };

  return {
    next(owner, nowMs) {
      if (state.kind === 'clear') {
        if (owner === undefined) return undefined;
        state = { kind: 'held', sinceMs: nowMs, owner, saidMs: nowMs, spaceMs: repeatMsMin };
        return { kind: 'begins' };
      }
      const heldMs = nowMs - state.sinceMs;
      if (owner === undefined) {
        state = { kind: 'clear' };
        return { kind: 'ends', heldMs };
      }
      const isSame = owner === state.owner;
      if (nowMs - state.saidMs < (isSame ? state.spaceMs : repeatMsMin)) return undefined;
      const grownMs = Math.max(repeatMsMin, Math.min(repeatMsMax, state.spaceMs * 2));
      state = { ...state, owner, saidMs: nowMs, spaceMs: isSame ? grownMs : repeatMsMin };
      return { kind: 'lasts', heldMs };
    },
  };
}
