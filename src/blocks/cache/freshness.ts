/**
 * What may be given of what is kept: pure.
 *
 *   filled ──fresh──▶ refreshMs ──fresh, and read anew──▶ freshUntilMs ──staleWhileRevalidateMs──▶ read first
 *   never after staleMsMax; and not without reading, when a change may have been missed since it was filled
 */
export interface FreshnessOptions {
  staleWhileRevalidateMs: number;
  staleIfErrorMs: number;
  staleMsMax: number;
}

/** `give`; `refresh`: give it, and read it anew in the background; `read`: read it, and give that. */
export type ReadDecision = 'give' | 'refresh' | 'read';

interface Ages {
  filledMs: number;
  refreshMs: number;
  freshUntilMs: number;
}

/** @param trustedAfterMs what was filled then or before may have changed unheard */
export function decideRead(
  kept: Ages,
  nowMs: number,
  trustedAfterMs: number,
  options: FreshnessOptions,
): ReadDecision {
  if (nowMs - kept.filledMs > options.staleMsMax || kept.filledMs <= trustedAfterMs) return 'read';
  if (nowMs < kept.freshUntilMs) return nowMs < kept.refreshMs ? 'give' : 'refresh';
  return nowMs < kept.freshUntilMs + options.staleWhileRevalidateMs ? 'refresh' : 'read';
}

/** Whether it may be given when it could not be read. */
export function mayGiveStale(kept: Ages, nowMs: number, options: FreshnessOptions): boolean {
  const isYoung = nowMs - kept.filledMs <= options.staleMsMax;
  return isYoung && nowMs < kept.freshUntilMs + options.staleIfErrorMs;
}
