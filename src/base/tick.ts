/** Calls `run` once, when what has arrived in this turn of the event loop has been handled. Costs no time when idle. */
export type Tick = (run: () => void) => void;

export const nextTurn: Tick = (run) => {
  setImmediate(run);
};
