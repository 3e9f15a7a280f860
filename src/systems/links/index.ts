/**
 * Links: short codes that redirect. See README.md.
 */
import { defineSystem, handleRaw } from '#blocks/system';
import { redirectShape } from './api.ts';
import { linksCalibration } from './calibrate.ts';
import { linksDrill } from './drill.ts';
import { LINKS_STREAM } from './events.ts';
import { ownHosts } from './fields/destination.ts';
import { linksFirstSteps } from './first-steps.ts';
import { createJobs } from './jobs.ts';
import { createLinks } from './links.ts';
import { emitLinksMetrics } from './metrics.ts';
import { linksModel } from './model.ts';
import { linksOptions } from './options.ts';
import { linkCounts } from './projections.ts';
import { linksQueues } from './queues.ts';
import { createInvalidation } from './redirect/invalidation.ts';
import { createRedirects } from './redirect/redirect.ts';
import { createRoutes } from './routes.ts';
import { createLinksStore } from './store.ts';
import { createSweep, sweepSchedule } from './sweep.ts';

export default defineSystem({
  name: 'links',
  summary: 'Short links that redirect: generated codes or chosen aliases, with expiry.',
  options: linksOptions,
  migrations: new URL('./migrations/', import.meta.url),
  streams: [{ name: LINKS_STREAM }],
  queues: linksQueues,
  schedules: [sweepSchedule],
  projections: [linkCounts],
  model: linksModel,
  drill: linksDrill,
  calibrate: linksCalibration,
  firstSteps: linksFirstSteps,
  create(options, deps) {
    const { clock, database, ids, publicUrl } = deps;
    const store = createLinksStore({ database });
    const codes = deps.codes('links', options.codes);
    const redirects = createRedirects(options, { clock, store });
    const links = createLinks({
      clock,
      store,
      nextId: ids.next,
      nextCode: codes.next,
      own: ownHosts(publicUrl, [deps.listen]),
      publicUrl,
      changed: redirects.changed,
    });
    const swept = emitLinksMetrics(deps.metrics, redirects.counts);
    const sweep = createSweep(store, links.editing, { clock, swept });
    const { changed: forget, allChanged: forgetAll } = redirects;
    return {
      lifecycle: createInvalidation({ ...deps, forget, forgetAll }),
      routes: [
        ...createRoutes(links, (reader, principal) => store.counts(reader, principal, clock.nowMs())),
        handleRaw(redirectShape(options), redirects.answer),
      ],
      jobs: createJobs(links.editing, sweep),
    };
  },
});
