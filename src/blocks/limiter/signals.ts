import type { Signals } from '#base/signals';
import type { Gcra } from './gcra.ts';

/** What a limiter has decided so far. */
export interface LimiterCounts {
  allowed: number;
  refused: number;
}

/** What one limiter measures. @param name of its policy, in snake case */
export function emitLimiterSignals(
  signals: Signals,
  name: string,
  { counts, gcra }: { counts: LimiterCounts; gcra: Pick<Gcra, 'size' | 'forgiven'> },
): void {
  const prefix = `loadstone_limiter_${name}`;
  signals.counted(`${prefix}_allowed_total`, `What the limit ${name} has allowed`, () => counts.allowed);
  signals.counted(`${prefix}_refused_total`, `What the limit ${name} has refused`, () => counts.refused);
  signals.gauge(`${prefix}_keys`, `Keys that have used of their budget of ${name}`, gcra.size);
  signals.counted(
    `${prefix}_forgiven_total`,
    `Keys that got a whole budget of ${name} because as many as it remembers had used of theirs`,
    gcra.forgiven,
  );
}
