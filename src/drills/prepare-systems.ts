/**
 * What systems need before their first items: each makes it by requests of its own.
 */
import type { DrillAnswer, DrillRequest } from '#blocks/system';
import type { DrilledSystem } from './drilled-systems.ts';
import { drillErrors } from './errors.ts';
import { createClient } from './installation/client.ts';
import { readJson } from './load/answer.ts';
import { toLoadRequest } from './load/request.ts';

/** @throws drill_not_started */
export async function prepareSystems(
  { origin, rootKey }: { origin: string; rootKey: string },
  systems: readonly DrilledSystem[],
  deps: Parameters<typeof createClient>[2],
): Promise<void> {
  const client = createClient(origin, rootKey, deps);

  async function send(request: DrillRequest): Promise<DrillAnswer> {
    const answer = await client.send(toLoadRequest(request, { rootKey }));
    const { status = 500, headers = {}, body } = answer;
    if (status < 300) return { status, headers, body: readJson(body) };
    const what = `${request.method} ${request.path}: ${answer.status ?? answer.problem} ${body ?? ''}`;
    throw drillErrors.drill_not_started({ detail: `what the systems need could not be made: ${what}` });
  }

  for (const { drill } of systems) await drill.prepare?.(send);
}
