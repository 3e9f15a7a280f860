/**
 * Remakes the table of a projection while the server serves, from any process that reaches the database.
 *
 * States:  waiting for its turn ──▶ filling ──▶ catching up ──caught up──▶ swapping ──▶ done
 *                │                    │           ▲   │                       │
 *                └─another one runs─▶ └──fails──▶ │   └──fails──▶ failed ◀────┤
 *                                                 └──the table is in use, or more events came──┘
 *
 * `filling` reads the truth, the head of the log and the ids that wait in the outbox in one snapshot. `catching up`
 * applies what comes in the log after that head, but for those ids. Nothing of it touches the table or its consumers.
 * `swapping` is one transaction, in this order so that it cannot lock itself up with a consumer, which locks what it has
 * set aside, then the table, then its place: lock what is set aside; lock the table; apply what has come since; move the
 * group there with new epochs; rename. A consumer in any process that began before has either committed by then, or will
 * find its epoch gone and have no effect.
 */

import { backoffMs } from '#base/backoff';
import { sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { isLoadstoneError } from '#base/errors';
import { identifier, sql } from '#blocks/database';
import {
  alter,
  applyNext,
  type Context,
  catchUp,
  type RebuildDeps,
  type RebuildProgress,
  readNext,
  type Work,
} from './catch-up.ts';
import { type ProjectionDefinition, shadowName } from './definition.ts';
import { projectionErrors } from './errors.ts';
import { type Filled, fillShadow } from './fill.ts';
import type { ProjectionOptions } from './options.ts';
import { BATCH_BYTES_MAX } from './pending.ts';
import { lockAside, moveGroup } from './progress.ts';
import { dropShadow, holdBoth, makeShadow, type Pair, swapShadow } from './shadow.ts';

export interface Rebuild {
  name: string;
  rows: number;
  events: number;
  /** Events that the group had set aside: the truth has their effects. */
  asideForgotten: number;
  tookMs: number;
}

const SWAP_BACKOFF = { baseMs: 100, maxMs: 2000 };
const CLEAR_TIMEOUT_MS = 5000;
/** How many batches a swap may apply while the table is locked, when writers would else outrun it. */
const SWAP_BATCHES_MAX = 32;

type Swap =
  | { kind: 'done'; asideForgotten: number; applied: number }
  /** More events have come than the table is to be locked for. */
  | { kind: 'behind' }
  /** Somebody uses the table. */
  | { kind: 'blocked'; cause: unknown };

async function swap(context: Context, work: Work, batches: number): Promise<Swap> {
  const { definition, options } = context;
  const bound = { eventsMax: batches * options.batchMax, bytesMax: batches * BATCH_BYTES_MAX };
  try {
    return await alter<Swap>(context, async (tx) => {
      await lockAside(tx, work.progress);
      await holdBoth(tx, definition, work.pair);
      const next = await readNext(tx, work, bound);
      if (!next.isWhole) return { kind: 'behind' };
      // As everywhere else: policies hold for it.
      await tx.run(sql`set local role loadstone_system`);
      const applied = await applyNext(tx, context, work, next);
      await tx.run(sql`set local role loadstone_owner`);
      const asideForgotten = await moveGroup(tx, work.progress, next.to);
      await swapShadow(tx, work.pair);
      return { kind: 'done', asideForgotten, applied };
    });
  } catch (error) {
    if (isLoadstoneError(error) && error.code === 'database_conflict')
      return { kind: 'blocked', cause: error };
    throw error;
  }
}

/** Catches up and swaps, again and again, until the table could be had. */
async function takePlace(context: Context, work: Work): Promise<number> {
  const { deps, options, signal, progress } = context;
  const { clock, random } = deps;
  let firstTryMs: number | undefined;
  let batches = 1;
  for (let tries = 1; ; tries++) {
    await catchUp(context, work);
    context.tell('swapping');
    firstTryMs ??= clock.monotonicMs();
    const outcome = await swap(context, work, batches);
    if (outcome.kind === 'done') {
      progress.events += outcome.applied;
      return outcome.asideForgotten;
    }
    if (clock.monotonicMs() - firstTryMs > options.waitMs) {
      const { cause } = outcome.kind === 'blocked' ? outcome : {};
      const detail = `the table of ${progress.name} could not be swapped within ${options.waitMs} ms: ${outcome.kind}`;
      throw projectionErrors.rebuild_blocked({ detail, cause, retryAfterS: 10 });
    }
    if (outcome.kind === 'behind') batches = Math.min(SWAP_BATCHES_MAX, 2 * batches);
    else await sleep(clock, backoffMs(SWAP_BACKOFF, tries, random), signal);
  }
}

async function clear(context: Context, pair: Pair): Promise<void> {
  const { definition, deps } = context;
  const deadline = createDeadline(deps.clock, CLEAR_TIMEOUT_MS);
  try {
    await alter({ ...context, signal: deadline.signal }, (tx) => dropShadow(tx, definition, pair));
  } catch (error) {
    deps.log.warn(
      { projection: definition.name, err: error },
      'the next rebuild has to drop the shadow of this one',
    );
  } finally {
    deadline.done();
  }
}

async function remake(context: Context): Promise<number> {
  const { definition, options, deps, signal, progress } = context;
  progress.events = 0;
  const pair = await alter(context, (tx) => makeShadow(tx, definition));
  try {
    context.tell('filling');
    const look = { signal, role: 'system', timeoutMs: options.timeoutMs } as const;
    const filled: Filled = await deps.database.snapshot(look, (tx) =>
      fillShadow(tx, definition, pair, options),
    );
    progress.rows = filled.rows;
    const analyzed = sql`analyze ${identifier(shadowName(definition))}`;
    await alter(context, (tx) => tx.run(analyzed), options.timeoutMs);
    const work = { pair, progress: filled.progress, position: filled.progress.head, waiting: filled.waiting };
    return await takePlace(context, work);
  } catch (error) {
    await clear(context, pair);
    throw error;
  }
}

/**
 * Remakes the projection. One at a time: the lock is one of a transaction that is held open beside it, so that it ends with
 * the process at the latest; who has lost it unawares finds that its shadow is gone.
 */
export async function rebuild(
  definition: ProjectionDefinition,
  {
    signal,
    onProgress = () => {},
  }: { signal: AbortSignal; onProgress?: (progress: RebuildProgress) => void },
  options: ProjectionOptions,
  deps: RebuildDeps,
): Promise<Rebuild> {
  const { name } = definition;
  const startMs = deps.clock.monotonicMs();
  const progress: RebuildProgress = { name, phase: 'filling', rows: 0, events: 0 };
  const tell = (phase: RebuildProgress['phase']) => {
    progress.phase = phase;
    onProgress({ ...progress });
  };
  const context: Context = { definition, options, deps, signal, progress, tell };
  let working: Promise<unknown> = Promise.resolve();
  try {
    const asideForgotten = await alter(
      context,
      async (tx) => {
        const lock = await tx.first<{ is_held: boolean }>(sql`
        select pg_try_advisory_xact_lock(hashtextextended('loadstone rebuild ' || ${name}::text, 0)) as is_held`);
        if (lock?.is_held !== true)
          throw projectionErrors.rebuild_running({ detail: `${name} is being rebuilt` });
        const remade = remake(context);
        working = remade;
        return remade;
      },
      options.timeoutMs,
    );
    const { rows, events } = progress;
    return { name, rows, events, asideForgotten, tookMs: deps.clock.monotonicMs() - startMs };
  } finally {
    // A signal ends the waiting at once; what it has cut off is cleared up before anybody goes on.
    await working.catch(() => {});
  }
}
