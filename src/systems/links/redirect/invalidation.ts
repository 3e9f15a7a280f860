/**
 * Keeps what this process remembers of links in step with what other processes change: follows the stream of links from
 * its newest position on, and forgets each code that an event tells of.
 *
 * States:  closed ──start──▶ following ──the tail ends by itself──▶ lost: everything is forgotten ──backed off──▶ following
 */
import { backoffMs } from '#base/backoff';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import { createLoop } from '#base/loop';
import type { Runtime } from '#base/runtime';
import type { Streams, Tail } from '#blocks/stream';
import { type LinkEvent, linkChanged, linkDeleted, linkExpired } from '../events.ts';

export interface InvalidationDeps extends Runtime {
  streams: Pick<Streams, 'follow'>;
  forget: (code: string) => void;
  forgetAll: () => void;
}

/** Those after which a code is answered differently; a new link's was not answered before. */
const FORGETTING = [linkChanged, linkExpired, linkDeleted] as const;

const RETRY = { baseMs: 100, maxMs: 5000 };

/** To be started before anything is remembered. */
export function createInvalidation(deps: InvalidationDeps): Lifecycle {
  const { clock, random, log, streams, forget, forgetAll } = deps;
  let tail: Tail | undefined;

  function onEvents(events: readonly { payload: LinkEvent }[]): void {
    for (const { payload } of events) forget(payload.code);
  }

  /** What was changed while nobody followed is not known. */
  function onEnd(error: unknown): void {
    log.warn({ err: error }, 'the changes of links are no longer followed; following them anew');
    recovering.begin();
  }

  const recovering = createLoop(clock, {
    async work() {
      forgetAll();
      tail = await streams.follow(FORGETTING, { after: 'latest', onEvents, onEnd });
      // A fill that began between the loss and now may have missed a change.
      forgetAll();
      return Number.POSITIVE_INFINITY;
    },
    failed(error, failures) {
      log.warn({ err: error }, 'the changes of links cannot be followed; trying again');
      return backoffMs(RETRY, failures, random);
    },
  });

  return createLifecycle('links invalidation', {
    async start() {
      tail = await streams.follow(FORGETTING, { after: 'latest', onEvents, onEnd });
    },
    async stop() {
      await recovering.stop();
      await tail?.close();
    },
  });
}
