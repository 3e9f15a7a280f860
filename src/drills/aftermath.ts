/**
 * What is done once the load has ended: unknown outcomes are asked for until they are known, all comes to rest, and what is
 * there is read.
 */
import { type Clock, sleep } from '#base/clock';
import type { Random } from '#base/random';
import type { LoadAnswer } from '#blocks/load';
import type { Attempt } from './attempt.ts';
import type { Before } from './before.ts';
import { type Client, createClient } from './client.ts';
import { drillErrors } from './errors.ts';
import { openInspection } from './inspection.ts';
import type { Evidence } from './scenario.ts';
import type { Topology } from './topology.ts';
import { waitUntil } from './wait.ts';
import type { DrilledLink, Workload } from './workload.ts';

const SETTLE_BOUND_MS = 30_000;
const QUIET_BOUND_MS = 60_000;
const RETRY_MS = 100;
const AT_ONCE = 8;
const PAGE = 100;
/** Links that are also read one by one. */
const SAMPLE_MAX = 200;

export interface AftermathDeps {
  clock: Clock;
  random: Random;
  signal: AbortSignal;
}

export type Aftermath = Pick<
  Evidence,
  'listed' | 'kept' | 'unreadable' | 'counts' | 'events' | 'jobs' | 'verifications'
>;

interface Page {
  items: { id: string; url: string }[];
  nextCursor: string | null;
}

/** Each creation under its key, until a server says what became of it. @throws drill_not_quiet */
async function settle(workload: Workload, client: Client, { clock, signal }: AftermathDeps): Promise<void> {
  const untilMs = clock.monotonicMs() + SETTLE_BOUND_MS;
  let last: LoadAnswer | undefined;
  for (;;) {
    const unsettled = workload.takeUnsettled();
    if (unsettled.length === 0) return;
    const left = [...unsettled];
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let request = left.pop(); request; request = left.pop()) {
          last = await client.send(request);
          workload.answered(last);
        }
      }),
    );
    if (clock.monotonicMs() > untilMs) {
      throw drillErrors.drill_not_quiet({
        detail: `${unsettled.length} creations have no known outcome ${SETTLE_BOUND_MS / 1000} s after the load; the last answer: ${last?.status ?? last?.problem} ${last?.body ?? ''}`,
      });
    }
    await sleep(clock, RETRY_MS, signal);
  }
}

/** Where each link leads, by its id. */
export async function listLinks(client: Client): Promise<Map<string, string>> {
  const listed = new Map<string, string>();
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Page = await client.get(
      `/v1/links?limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    for (const { id, url } of page.items) listed.set(id, url);
    cursor = page.nextCursor;
  }
  return listed;
}

/** What the list says of each link, as reads for the history: all of them between its first request and its last answer. */
function readsOf(
  links: readonly DrilledLink[],
  listed: ReadonlyMap<string, string>,
  { fromMs, untilMs }: { fromMs: number; untilMs: number },
): Attempt[] {
  return links.flatMap((link) => {
    const [id] = link.ids;
    if (id === undefined) return [];
    return [
      {
        planned: { kind: 'read', route: 'getLink', link, value: undefined },
        intendedMs: fromMs,
        sentMs: fromMs,
        endedMs: untilMs,
        outcome: 'ok',
        fate: 'answered',
        isFailure: false,
        status: 200,
        code: undefined,
        found: listed.get(id),
        created: undefined,
        isProblem: false,
        retryAfter: undefined,
      } satisfies Attempt,
    ];
  });
}

async function readSample(
  client: Client,
  listed: ReadonlyMap<string, string>,
  random: Random,
): Promise<string[]> {
  const ids = [...listed.keys()];
  const unreadable: string[] = [];
  for (let left = Math.min(SAMPLE_MAX, ids.length); left > 0; left--) {
    const id = ids[Math.floor(random.fraction() * ids.length)] ?? '';
    const { url } = await client.get<{ url: string }>(`/v1/links/${id}`).catch(() => ({ url: 'nothing' }));
    if (url !== listed.get(id))
      unreadable.push(`link ${id} is listed with ${listed.get(id)}, and read as ${url}`);
  }
  return unreadable;
}

function without<Value>(all: ReadonlyMap<string, Value>, ids: ReadonlySet<string>): Map<string, Value> {
  return new Map([...all].filter(([id]) => !ids.has(id)));
}

/**
 * @returns what is there, and the last reads for the history
 * @throws drill_not_quiet
 */
export async function observe(
  topology: Topology,
  { workload, queues, before }: { workload: Workload; queues: readonly string[]; before: Before },
  deps: AftermathDeps,
): Promise<Aftermath & { reads: Attempt[] }> {
  const { clock, signal } = deps;
  const client = createClient(topology.origin, topology.rootKey, deps);
  await waitUntil(
    'a list is given',
    async () => (await client.get<Page>('/v1/links?limit=1')).items.length >= 0,
    {
      clock,
      signal,
      boundMs: SETTLE_BOUND_MS,
      late: (detail) => drillErrors.drill_not_quiet({ detail }),
    },
  );
  await settle(workload, client, deps);
  const url = topology.databaseUrl();
  if (url === undefined) throw drillErrors.drill_not_quiet({ detail: 'the database did not come back' });
  const inspection = await openInspection(url, topology.directory, deps);
  try {
    await inspection.untilQuiet(before.jobs, QUIET_BOUND_MS);
    const fromMs = clock.monotonicMs();
    const all = await listLinks(client);
    const [listed, kept] = [without(all, before.ids), new Map([...all].filter(([id]) => before.ids.has(id)))];
    const reads = readsOf(workload.links, listed, { fromMs, untilMs: clock.monotonicMs() });
    return {
      ...{ listed, kept, reads },
      unreadable: await readSample(client, listed, deps.random),
      counts: await client.get('/v1/links/counts'),
      events: without(await inspection.eventsOf('links'), before.ids),
      jobs: new Map(
        await Promise.all(
          queues.map(async (queue) => [queue, await inspection.jobsOf(queue, before.jobs)] as const),
        ),
      ),
      verifications: await inspection.verify(),
    };
  } finally {
    await inspection.close();
  }
}
