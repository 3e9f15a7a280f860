/**
 * What is there before a drill comes to an installation: none of it is the drill's to count.
 */
import type { Clock } from '#base/clock';
import { listLinks } from './aftermath.ts';
import { createClient } from './client.ts';
import { drillErrors } from './errors.ts';
import { openInspection } from './inspection.ts';
import type { Topology } from './topology.ts';

export interface Before {
  /** Where each link leads, by its id. */
  readonly links: ReadonlyMap<string, string>;
  /** Ids of all links that there are or have been. */
  readonly ids: ReadonlySet<string>;
  /** Ids of all jobs that there are or have been. */
  readonly jobs: ReadonlySet<string>;
}

export const NOTHING_BEFORE: Before = { links: new Map(), ids: new Set(), jobs: new Set() };

const QUIET_BOUND_MS = 30_000;

/** @throws drill_not_quiet when events do not come to rest: what is on its way could not be told from the drill's own */
export async function lookBefore(
  topology: Topology,
  deps: { clock: Clock; signal: AbortSignal },
): Promise<Before> {
  const url = topology.databaseUrl();
  if (url === undefined) throw drillErrors.drill_not_quiet({ detail: 'the database does not run' });
  const inspection = await openInspection(url, topology.directory, deps);
  try {
    const jobs = await inspection.jobIds();
    await inspection.untilQuiet(jobs, QUIET_BOUND_MS);
    const links = await listLinks(createClient(topology.origin, topology.rootKey, deps));
    const ids = new Set([...links.keys(), ...(await inspection.eventsOf('links')).keys()]);
    return { links, ids, jobs };
  } finally {
    await inspection.close();
  }
}
