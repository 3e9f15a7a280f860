/**
 * Whether reads may go to a replica. Pure.
 *
 *   checking ──answers──▶ healthy ◀──within the bound / past it──▶ lagging
 *      ▲  └──fails──┐         └──fails, or is no replica of this primary──┐
 *      │            ▼                                                     ▼
 *      └─its time── ejected ◀─────────────────────────────────────────────┘
 *
 * `checking` gets no reads, only looks. A look that fails, a connection that breaks, and an answer that shows another
 * cluster or a server that is no standby eject it, each time for longer, up to half a minute; the first good answer makes
 * it count from one again. `lagging` is further behind than the bound, at an earlier term than the primary, or of
 * unknown age because the primary has not been heard for so long.
 */
import { backoffMs } from '#base/backoff';
import type { Random } from '#base/random';
import type { CommitPosition } from '#blocks/postgres';
import type { PrimaryPast } from '../primary/primary-past.ts';

/** What a replica says when it is looked at. */
export interface ReplicaLook {
  isStandby: boolean;
  cluster: string;
  /** As the replica has replayed it; null before it has. */
  term: number | null;
  lsn: bigint | null;
}

/** How far a replica had come when it was last looked at. */
export interface Seen {
  at: CommitPosition;
  /** Monotonic. */
  lookedMs: number;
  /** Has everything of the primary from before this time; undefined when that is too long ago to tell. */
  asOfMs: number | undefined;
  lagBytes: number;
}

export type ReplicaHealth =
  | { kind: 'checking'; failures: number }
  | { kind: 'healthy'; seen: Seen }
  | { kind: 'lagging'; seen: Seen }
  | { kind: 'ejected'; failures: number; untilMs: number; reason: string };

const EJECTED = { baseMs: 500, maxMs: 30_000 };

export const unchecked: ReplicaHealth = { kind: 'checking', failures: 0 };

/** Whether reads that may be `lagMsMax` old can go there now. */
export function isWithin(seen: Seen, lagMsMax: number, nowMs: number): boolean {
  return seen.asOfMs !== undefined && nowMs - seen.asOfMs <= lagMsMax;
}

export function failed(health: ReplicaHealth, reason: string, nowMs: number, random: Random): ReplicaHealth {
  const failures = ('failures' in health ? health.failures : 0) + 1;
  return { kind: 'ejected', failures, untilMs: nowMs + backoffMs(EJECTED, failures, random), reason };
}

/** Why the one that gave this answer is no replica of this primary; undefined if it is one. */
export function misfit(look: ReplicaLook, cluster: string): string | undefined {
  if (look.cluster !== cluster) return 'it belongs to another database cluster than the primary';
  return look.isStandby ? undefined : 'it is not a standby';
}

export interface LookContext {
  past: PrimaryPast;
  lagMsMax: number;
  nowMs: number;
}

/** After a good look: how far it is. */
export function looked(at: CommitPosition, { past, lagMsMax, nowMs }: LookContext): ReplicaHealth {
  const primary = past.latest()?.position;
  const isOfTerm = primary !== undefined && at.term === primary.term;
  const lagBytes = isOfTerm && primary.lsn > at.lsn ? Number(primary.lsn - at.lsn) : 0;
  const seen = { at, lookedMs: nowMs, asOfMs: past.asOfMs(at), lagBytes };
  return { kind: isOfTerm && isWithin(seen, lagMsMax, nowMs) ? 'healthy' : 'lagging', seen };
}

/** One whose time out is over is looked at again. */
export function due(health: ReplicaHealth, nowMs: number): ReplicaHealth {
  if (health.kind !== 'ejected' || nowMs < health.untilMs) return health;
  return { kind: 'checking', failures: health.failures };
}
