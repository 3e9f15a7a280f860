/**
 * Segments: makes room before the log needs it, ends segments so that each is old or large enough to go as a whole, and
 * drops the oldest. Everything it does may be done by several processes at once.
 */
import { withSignal } from '#base/deadline';
import type { Health } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import { comparePositions, POSITION_MIN } from './event.ts';
import type { LogStore, Segment } from './store.ts';

export interface RetentionPolicy {
  retentionMs: number;
  bytesMax: number;
  segmentEvents: number;
}

export interface RetentionDeps extends Runtime {
  store: Pick<LogStore, 'head' | 'segments' | 'addSegment' | 'sealBefore' | 'dropSegment' | 'unreadIn'>;
  onDroppedUnread: () => void;
}

export interface Retention {
  /** Does what is due, once. Calls at the same time share one run. */
  maintain(): Promise<void>;
  begin(): void;
  end(): Promise<void>;
  health(): Health;
}

const EVERY_MS = 10_000;
/** While the log does not grow: only age can end or drop a segment. */
const IDLE_EVERY_MS = 60_000;
const RETRY_MS = 1000;
/** So that what is kept too long, or is dropped too early for want of space, is an eighth. */
const SEGMENTS_PER_RETENTION = 8;

/** The largest batch that a relay may be set to. */
const BATCH_MAX = 10_000n;

/** The position that segments should reach, so that whole ones are free for what may come before the next look. */
export function roomUntil(head: string, { segmentEvents }: RetentionPolicy): string {
  return String(BigInt(head) + 1n + 2n * BigInt(segmentEvents) + BATCH_MAX);
}

/** The position before which all segments are to be ended: the present one too if it is old or large. */
export function sealPosition(
  segments: readonly Segment[],
  head: string,
  policy: RetentionPolicy,
  nowMs: number,
): string | undefined {
  const next = BigInt(head) + 1n;
  const at = segments.findIndex(
    ({ fromPosition, toPosition }) => BigInt(fromPosition) <= next && next < BigInt(toPosition),
  );
  const present = segments[at];
  if (!present) return undefined;
  const sinceMs = segments[at - 1]?.sealedAtMs ?? present.madeAtMs;
  const isOld = nowMs - sinceMs >= policy.retentionMs / SEGMENTS_PER_RETENTION;
  const isLarge = present.bytes >= policy.bytesMax / SEGMENTS_PER_RETENTION;
  const isEmpty = next === BigInt(present.fromPosition);
  if (!isEmpty && (isOld || isLarge)) return present.toPosition;
  return at > 0 && segments[at - 1]?.sealedAtMs === undefined ? present.fromPosition : undefined;
}

/** Why the oldest segment should go; undefined while it should stay. */
export function dropReason(
  segments: readonly Segment[],
  policy: RetentionPolicy,
  nowMs: number,
): 'size' | 'age' | undefined {
  const [oldest] = segments;
  if (oldest?.sealedAtMs === undefined) return undefined;
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  if (bytes > policy.bytesMax) return 'size';
  return nowMs - oldest.sealedAtMs >= policy.retentionMs ? 'age' : undefined;
}

export function createRetention(policy: RetentionPolicy, deps: RetentionDeps): Retention {
  const { clock, random, log, store } = deps;
  let maintaining: Promise<void> | undefined;
  let seenHead: string | undefined;
  let maintainedMs = Number.NEGATIVE_INFINITY;

  async function makeRoom(): Promise<Segment[]> {
    const head = await store.head();
    const until = roomUntil(head, policy);
    let segments = await store.segments();
    while (comparePositions(segments.at(-1)?.toPosition ?? POSITION_MIN, until) < 0) {
      await store.addSegment(policy.segmentEvents, { until, nowMs: clock.nowMs() });
      segments = await store.segments();
    }
    const before = sealPosition(segments, head, policy, clock.nowMs());
    if (before === undefined) return segments;
    await store.sealBefore(before, clock.nowMs());
    return store.segments();
  }

  async function dropOldest(segments: readonly Segment[]): Promise<void> {
    for (let left = segments; ; left = left.slice(1)) {
      const reason = dropReason(left, policy, clock.nowMs());
      const [oldest] = left;
      if (!oldest || reason === undefined) return;
      const unread = await store.unreadIn(oldest);
      if (unread.length > 0 && reason === 'age') return;
      if (!(await store.dropSegment(oldest.segment))) return;
      log.info({ segment: oldest.segment, reason, bytes: oldest.bytes }, 'a segment of the log was dropped');
      if (unread.length === 0) continue;
      deps.onDroppedUnread();
      log.error({ groups: unread, segment: oldest.segment }, 'events were dropped that groups had not read');
    }
  }

  function maintain(): Promise<void> {
    maintaining ??= makeRoom()
      .then(dropOldest)
      .finally(() => {
        maintaining = undefined;
      });
    return maintaining;
  }

  const jittered = (everyMs: number) => everyMs * (0.5 + 0.5 * random.fraction());

  const loop = createLoop(clock, {
    async work() {
      const head = await withSignal(store.head(), loop.signal);
      if (head !== seenHead || clock.monotonicMs() - maintainedMs >= IDLE_EVERY_MS) {
        await withSignal(maintain(), loop.signal);
        seenHead = head;
        maintainedMs = clock.monotonicMs();
      }
      return jittered(EVERY_MS);
    },
    failed(error) {
      log.warn({ err: error }, 'segments of the log could not be looked after; trying again');
      return jittered(RETRY_MS);
    },
  });

  return {
    maintain,
    begin: () => loop.begin(jittered(EVERY_MS)),
    end: loop.stop,
    health: () => loop.health('segments'),
  };
}
