/**
 * What is there before a drill comes to an installation: none of it is the drill's to count.
 */
import type { Clock } from '#base/clock';
import type { DrilledSystem } from './drilled-systems.ts';
import { drillErrors } from './errors.ts';
import type { Before, BeforeSystem } from './found-before.ts';
import { openInspection } from './inspection.ts';
import { createClient } from './installation/client.ts';
import type { Topology } from './installation/topology.ts';
import { readAll } from './read-back.ts';

const QUIET_BOUND_MS = 30_000;

/** @throws drill_not_quiet when events do not come to rest: what is on its way could not be told from the drill's own */
export async function lookBefore(
  topology: Topology,
  systems: readonly DrilledSystem[],
  deps: { clock: Clock; signal: AbortSignal },
): Promise<Before> {
  const url = topology.databaseUrl();
  if (url === undefined) throw drillErrors.drill_not_quiet({ detail: 'the database does not run' });
  const inspection = await openInspection(url, topology, deps);
  const client = createClient(topology.origin, topology.rootKey, deps);
  const found = new Map<string, BeforeSystem>();
  try {
    const jobs = await inspection.jobIds();
    await inspection.untilQuiet(jobs, QUIET_BOUND_MS);
    for (const { name, drill } of systems) {
      const held = await readAll(drill, client);
      const told = drill.events ? (await inspection.eventsOf(drill.events.stream)).keys() : [];
      found.set(name, { held, ids: new Set([...held.keys(), ...told]) });
    }
    return { systems: found, jobs };
  } finally {
    await inspection.close();
  }
}
