/**
 * How a consumer gets a batch done when some of its events cannot be handled.
 *
 * An event:  read ──its key is set aside──▶ aside, behind ──the one before it is handled or discarded──▶ aside, first
 *             │                                                                                          │
 *             ├──handled, together with its neighbours──▶ done  ◀──handled──┬────────────────────────────┘
 *             │                                                             │
 *             └──refused, alone──▶ aside, first ──refused, with back-off──▶─┤
 *                                       ▲                                   └──attemptsMax──▶ parked ──discard──▶ gone
 *                                       └───────────────────────────redrive──────────────────────┘
 *
 * A batch that is refused is cut in half until the event is found that is to blame; the halves that are in order are
 * committed on the way. Effects are in the same transaction as the positions, so what was refused has had none.
 */

import { backoffMs } from '#base/backoff';
import { describeError, isLoadstoneError } from '#base/errors';
import { defineFaults } from '#base/faults';
import type { Runtime } from '#base/runtime';
import type { Transaction } from '#blocks/database';
import type { StreamEvent } from '../event.ts';
import type { AsideEvent, AsideKey, AsideStore, GroupStore, Move, NewAside } from '../store.ts';
import { type AttemptDeps, attempt } from './attempt.ts';
import { keyId, type Owned } from './membership.ts';

const faults = defineFaults('stream', {
  handled: 'a consumer has written the effects of a batch; neither they nor its position are committed',
});

/** Has the effects of the events, all in `tx`. May run more than once for the same events; commits once. */
export type Handler = (events: readonly StreamEvent[], tx: Transaction) => Promise<void>;

export interface BatchPolicy {
  batchTimeoutMs: number;
  attemptsMax: number;
  backoffBaseMs: number;
  backoffMaxMs: number;
}

export interface BatchDeps extends AttemptDeps, Pick<Runtime, 'clock' | 'random'> {
  group: Pick<GroupStore, 'advance'>;
  aside: Pick<AsideStore, 'add' | 'first' | 'done' | 'failed'>;
  handler: Handler;
  /** Told after the commit. */
  onHandled: (events: readonly StreamEvent[]) => void;
  onRefused: (event: StreamEvent, attempts: number, error: unknown, isParked: boolean) => void;
}

export interface Batches {
  /**
   * Handles the events, which are the next ones of their partitions, in the order of their positions.
   * @throws what is an outage; then it is not known how far it got
   */
  handle(events: readonly StreamEvent[], owned: ReadonlyMap<number, Owned>): Promise<void>;
  /** Tries the first events of a key that is set aside. @throws as `handle` */
  retry(owned: Owned, key: AsideKey): Promise<void>;
}

/** Events of one key that are taken back at once after those before them are done. */
const RETRY_EVENTS_MAX = 50;
const ERROR_LENGTH_MAX = 2000;

/** On one line, with its code if it has one, without what Postgres cannot store in a text. */
function errorText(error: unknown): string {
  const code = isLoadstoneError(error) ? `${error.code}: ` : '';
  return `${code}${describeError(error)}`.replaceAll('\0', ' ').slice(0, ERROR_LENGTH_MAX);
}

/** How far each partition moves when these events are done. */
function movesOf(events: readonly StreamEvent[], owned: ReadonlyMap<number, Owned>): Move[] {
  const last = new Map(events.map(({ partition, position }) => [partition, position]));
  return [...last].map(([partition, to]) => {
    const { epoch, position } = owned.get(partition) as Owned;
    return { partition, epoch, from: position, to };
  });
}

export function createBatches(policy: BatchPolicy, deps: BatchDeps): Batches {
  const { clock, random, group, aside, handler } = deps;
  const timeoutMs = policy.batchTimeoutMs;

  function backoff(attempts: number): { retryAtMs: number; parkedAtMs: number | undefined } {
    const nowMs = clock.nowMs();
    const { backoffBaseMs: baseMs, backoffMaxMs: maxMs } = policy;
    const isParked = attempts >= policy.attemptsMax;
    return {
      retryAtMs: nowMs + Math.ceil(backoffMs({ baseMs, maxMs }, attempts, random)),
      parkedAtMs: isParked ? nowMs : undefined,
    };
  }

  /** Writes the slice down as done: `events` by the handler, `asides` for later. */
  async function commit(
    slice: readonly StreamEvent[],
    owned: ReadonlyMap<number, Owned>,
    { events, asides }: { events: readonly StreamEvent[]; asides: readonly NewAside[] },
  ) {
    const moves = movesOf(slice, owned);
    const outcome = await attempt({ timeoutMs }, deps, async (tx) => {
      if (events.length > 0) await handler(events, tx);
      await Promise.all([aside.add(tx, asides), group.advance(tx, moves)]);
      await faults.handled();
    });
    if (outcome.kind === 'refused') return outcome;
    for (const { partition, to } of moves) (owned.get(partition) as Owned).position = to;
    for (const each of asides) remember(owned.get(each.event.partition) as Owned, each);
    if (events.length > 0) deps.onHandled(events);
    return outcome;
  }

  function remember(owned: Owned, { event, attempts, retryAtMs, parkedAtMs }: NewAside): void {
    const { partition, workspaceId, key } = event;
    owned.asideEvents += 1;
    const id = keyId(event);
    if (owned.asideKeys.has(id)) return;
    const isParked = parkedAtMs !== undefined;
    owned.asideKeys.set(id, { partition, workspaceId, key, attempts, retryAtMs, isParked });
  }

  /** The first event of a key that is refused; those `behind` of keys already aside go with it. */
  async function setAside(
    slice: readonly StreamEvent[],
    owned: ReadonlyMap<number, Owned>,
    { event, behind, error }: { event: StreamEvent; behind: readonly NewAside[]; error: unknown },
  ): Promise<void> {
    const delay = backoff(1);
    const asides = [{ event, attempts: 1, error: errorText(error), ...delay }, ...behind];
    const outcome = await commit(slice, owned, { events: [], asides });
    if (outcome.kind === 'refused') throw outcome.error;
    deps.onRefused(event, 1, error, delay.parkedAtMs !== undefined);
  }

  async function handle(events: readonly StreamEvent[], owned: ReadonlyMap<number, Owned>): Promise<void> {
    let size = events.length;
    for (let at = 0; at < events.length; ) {
      const slice = events.slice(at, at + size);
      const isAside = (event: StreamEvent) =>
        owned.get(event.partition)?.asideKeys.has(keyId(event)) === true;
      const clear = slice.filter((event) => !isAside(event));
      const behind = slice
        .filter(isAside)
        .map((event): NewAside => ({ event, attempts: 0, retryAtMs: clock.nowMs() }));
      const outcome = await commit(slice, owned, { events: clear, asides: behind });
      const [event, ...others] = clear;
      if (outcome.kind === 'refused' && event && others.length > 0) {
        size = Math.max(1, Math.floor(slice.length / 2));
        continue;
      }
      if (outcome.kind === 'refused' && !event) throw outcome.error;
      if (outcome.kind === 'refused' && event)
        await setAside(slice, owned, { event, behind, error: outcome.error });
      at += slice.length;
      size = Math.min(events.length, size * 2);
    }
  }

  async function retry(owned: Owned, key: AsideKey): Promise<void> {
    const { partition, epoch, position } = owned;
    const fence = { partition, epoch, from: position, to: position };
    const eventsMax = key.attempts > 0 ? 1 : RETRY_EVENTS_MAX;
    let found: AsideEvent[] = [];
    let ready: AsideEvent[] = [];
    const outcome = await attempt({ timeoutMs }, deps, async (tx) => {
      found = await aside.first(tx, key, eventsMax);
      ready = readyOf(found, clock.nowMs());
      if (ready.length === 0) return;
      const events = ready.map(({ event }) => event);
      await handler(events, tx);
      await Promise.all([aside.done(tx, ready), group.advance(tx, [fence])]);
    });
    if (outcome.kind === 'committed') {
      if (ready.length > 0) deps.onHandled(ready.map(({ event }) => event));
      forget(owned, key, { found, ready, eventsMax });
    } else if (ready.length > 1) {
      // Alone from now on, so that it is known which one is refused.
      key.attempts = Math.max(1, key.attempts);
    } else {
      await failAgain(key, ready[0], { fence, error: outcome.error });
    }
  }

  async function failAgain(
    key: AsideKey,
    first: AsideEvent | undefined,
    { fence, error }: { fence: Move; error: unknown },
  ): Promise<void> {
    if (!first) throw error;
    const attempts = first.attempts + 1;
    const delay = backoff(attempts);
    const outcome = await attempt({ timeoutMs }, deps, async (tx) => {
      const failure = { attemptsBefore: first.attempts, error: errorText(error), ...delay };
      await Promise.all([aside.failed(tx, first.event, failure), group.advance(tx, [fence])]);
    });
    if (outcome.kind === 'refused') throw outcome.error;
    key.attempts = attempts;
    key.retryAtMs = delay.retryAtMs;
    key.isParked = delay.parkedAtMs !== undefined;
    deps.onRefused(first.event, attempts, error, key.isParked);
  }

  return { handle, retry };
}

/** Those that may be tried now, together: the first, if its time has come, and after it those that never failed. */
function readyOf(found: readonly AsideEvent[], nowMs: number): AsideEvent[] {
  const [first] = found;
  if (!first || first.isParked || first.retryAtMs > nowMs) return [];
  const end = found.findIndex(({ isParked, attempts }, i) => i > 0 && (isParked || attempts > 0));
  return found.slice(0, first.attempts > 0 ? 1 : end === -1 ? undefined : end);
}

/** Brings what is remembered of a key in line with what was found of it. */
function forget(
  owned: Owned,
  key: AsideKey,
  {
    found,
    ready,
    eventsMax,
  }: { found: readonly AsideEvent[]; ready: readonly AsideEvent[]; eventsMax: number },
): void {
  owned.asideEvents = Math.max(0, owned.asideEvents - ready.length);
  const next = found[ready.length];
  if (next) {
    key.attempts = next.attempts;
    key.retryAtMs = next.retryAtMs;
    key.isParked = next.isParked;
  } else if (found.length < eventsMax) {
    owned.asideKeys.delete(keyId(key));
  } else {
    // There may be more.
    key.attempts = 0;
    key.isParked = false;
  }
}
