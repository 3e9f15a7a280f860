/**
 * The queues of links, by their jobs' payloads.
 */
import Type from 'typebox';
import { defineQueue } from '#blocks/queue';

/** Every link with an expiry has one that waits, so the queue holds as many as there are such links. */
export const expiryQueue = defineQueue(
  'links_expiry',
  Type.Object({ linkId: Type.String(), expiresAt: Type.String() }),
  {
    waitingMax: 1_000_000_000,
    whenDrained:
      'Their links expire all the same: redirects and counts go by the clock, and the sweep tells of each expiry within two minutes.',
  },
);

/** Its jobs name nothing: each sweeps all there is. */
export const sweepQueue = defineQueue('links_sweep', Type.Object({}), {
  // The next minute brings another.
  attemptsMax: 3,
  backoffBaseMs: 1000,
  whenDrained: 'The next one comes within a minute.',
});

export const linksQueues = [expiryQueue, sweepQueue] as const;
