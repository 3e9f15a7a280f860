/**
 * Applies to a shadow what has come in the log since it was filled.
 */
import { sleep } from '#base/clock';
import { describeError, isLoadstoneError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import { type Database, identifier, type Queryable } from '#blocks/database';
import { type ProjectionDefinition, shadowName } from './definition.ts';
import { projectionErrors } from './errors.ts';
import { type Bound, type EventsRead, readLog } from './events.ts';
import type { ProjectionOptions } from './options.ts';
import { BATCH_BYTES_MAX } from './pending.ts';
import { assertKept, cursorsAt, type Progress, readHead } from './progress.ts';
import { holdShadow, type Pair } from './shadow.ts';

export interface RebuildProgress {
  name: string;
  phase: 'filling' | 'catching_up' | 'swapping';
  /** Rows filled in from the truth. */
  rows: number;
  /** Events applied since. */
  events: number;
}

export interface RebuildDeps extends Runtime {
  database: Pick<Database, 'transact' | 'snapshot' | 'alter'>;
}

const POLL_MS = 20;
const SHORT_TIMEOUT_MS = 30_000;

/** What stays the same during a rebuild, but for its progress. */
export interface Context {
  definition: ProjectionDefinition;
  options: ProjectionOptions;
  deps: RebuildDeps;
  signal: AbortSignal;
  progress: RebuildProgress;
  tell: (phase: RebuildProgress['phase']) => void;
}

/** What a rebuild knows of its shadow. */
export interface Work {
  pair: Pair;
  progress: Progress;
  /** Up to here in the log the shadow is complete. */
  position: string;
  /** Of the events that waited in the outbox: those that the log does not have yet. */
  waiting: Set<string>;
}

/** A transaction of the owner. Short, unless said otherwise: a process that is frozen in it must not keep the table. */
export function alter<T>(
  { deps, options, signal }: Context,
  work: (tx: Queryable) => Promise<T>,
  timeoutMs = Math.min(SHORT_TIMEOUT_MS, options.timeoutMs),
): Promise<T> {
  const { lockTimeoutMs } = options;
  return deps.database.alter({ signal, timeoutMs, lockTimeoutMs }, work);
}

/** The next events for the shadow, and how far they reach. */
export async function readNext(
  tx: Queryable,
  work: Work,
  bound: Bound,
): Promise<EventsRead & { to: string }> {
  const { progress, position } = work;
  const until = await readHead(tx);
  const cursors = cursorsAt(position, progress);
  const { events, isWhole } = await readLog(tx, progress.streamId, { cursors, until }, bound);
  await assertKept(tx, position);
  return { events, isWhole, to: isWhole ? until : (events.at(-1)?.position ?? position) };
}

/** @throws rebuild_refused_event, and what is a failure of the surroundings */
export async function applyNext(
  tx: Queryable,
  { definition, signal }: Context,
  work: Work,
  { events }: EventsRead,
): Promise<number> {
  const fresh = events.filter(({ id }) => !work.waiting.has(id));
  const [first] = fresh;
  if (!first) return 0;
  try {
    await definition.apply(fresh, tx, identifier(shadowName(definition)));
  } catch (error) {
    signal.throwIfAborted();
    if (isLoadstoneError(error) && error.retryable) throw error;
    const detail = `${definition.name}, one of ${fresh.length} events from ${first.id} on: ${describeError(error)}`;
    throw projectionErrors.rebuild_refused_event({ detail, cause: error });
  }
  return fresh.length;
}

function settle(work: Work, { events, to }: EventsRead & { to: string }): void {
  work.position = to;
  for (const { id } of events) work.waiting.delete(id);
}

/** @returns whether nothing was left when it read */
async function catchUpOnce(context: Context, work: Work): Promise<boolean> {
  const { definition, options, deps, signal, progress } = context;
  const placement = { system: definition.system, workspaceId: '0', bucket: 0 };
  const done = await deps.database.transact(placement, { signal, role: 'system' }, async (tx) => {
    await holdShadow(tx, definition, work.pair);
    const next = await readNext(tx, work, { eventsMax: options.batchMax, bytesMax: BATCH_BYTES_MAX });
    return { next, applied: await applyNext(tx, context, work, next) };
  });
  settle(work, done.next);
  progress.events += done.applied;
  return done.next.isWhole;
}

/** Until nothing is left, and everything that waited in the outbox has come. */
export async function catchUp(context: Context, work: Work): Promise<void> {
  const { deps, options, signal, definition } = context;
  const { clock } = deps;
  context.tell('catching_up');
  let movedMs = clock.monotonicMs();
  for (;;) {
    const isWhole = await catchUpOnce(context, work);
    if (isWhole && work.waiting.size === 0) return;
    if (!isWhole) {
      context.tell('catching_up');
      movedMs = clock.monotonicMs();
      continue;
    }
    if (clock.monotonicMs() - movedMs > options.waitMs) {
      const detail = `${work.waiting.size} events of ${definition.stream} still wait in the outbox after ${options.waitMs} ms`;
      throw projectionErrors.rebuild_stalled({ detail, retryAfterS: 10 });
    }
    await sleep(clock, POLL_MS, signal);
  }
}
