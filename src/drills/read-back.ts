/**
 * What is done once the load has ended: unknown outcomes are asked for until they are known, all comes to rest, and what is
 * there is read.
 */
import assert from 'node:assert/strict';
import { sleep } from '#base/clock';
import type { Random } from '#base/random';
import type { Runtime } from '#base/runtime';
import type { LoadAnswer } from '#blocks/load';
import type { DrillOperation, SystemDrill } from '#blocks/system';
import type { DrilledSystem } from './drilled-systems.ts';
import { queuesOf } from './effects.ts';
import { drillErrors } from './errors.ts';
import type { Before } from './found-before.ts';
import { type Inspection, openInspection } from './inspection.ts';
import { type Client, createClient } from './installation/client.ts';
import type { Topology } from './installation/topology.ts';
import type { Attempt } from './load/attempt.ts';
import type { Item } from './load/planned.ts';
import type { Evidence, Seen } from './scenario.ts';
import { waitUntil } from './wait.ts';
import { idOf, type Workload } from './workload.ts';

const SETTLE_BOUND_MS = 30_000;
const QUIET_BOUND_MS = 60_000;
const RETRY_MS = 100;
const AT_ONCE = 8;
/** Items of a system that are also read one by one. */
const SAMPLE_MAX = 200;

export interface ReadBackDeps extends Pick<Runtime, 'clock' | 'random'> {
  signal: AbortSignal;
}

export type ReadBackResult = Pick<Evidence, 'seen' | 'jobs' | 'verifications'>;

/** Each creation under its key, until a server says what became of it. @throws drill_not_quiet */
async function settle(workload: Workload, client: Client, { clock, signal }: ReadBackDeps): Promise<void> {
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

/** What each item of a system holds, by its id; empty for one whose items are not read back. */
export async function readAll({ readBack }: SystemDrill, client: Client): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  if (readBack === undefined) return held;
  for await (const [id, value] of readBack.list(client.get)) held.set(id, value);
  return held;
}

/** Whether its items can be listed. @throws where they cannot */
export async function canList({ readBack }: SystemDrill, client: Client): Promise<boolean> {
  if (readBack === undefined) return true;
  for await (const _ of readBack.list(client.get)) break;
  return true;
}

/** What the list says of each item, as reads for the history: all of them between its first request and its last answer. */
function readsOf(
  {
    system,
    items,
    listed,
  }: { system: DrilledSystem; items: readonly Item[]; listed: ReadonlyMap<string, string> },
  { fromMs, untilMs }: { fromMs: number; untilMs: number },
): Attempt[] {
  const { readBack } = system.drill;
  if (readBack === undefined) return [];
  const operation: DrillOperation = {
    ...{ route: readBack.route, effect: 'read', weight: 0 },
    request: () => assert.fail('it has been read'),
  };
  return items.flatMap((item) => {
    if (item.ids.size === 0) return [];
    const found = listed.get(idOf(item));
    return [
      {
        planned: { system, operation, item, value: undefined },
        ...{ intendedMs: fromMs, sentMs: fromMs, endedMs: untilMs, found },
        ...{ outcome: 'ok', fate: 'answered', isFailure: false, status: 200, code: undefined },
        ...{ learnt: undefined, isProblem: false, retryAfter: undefined },
      } satisfies Attempt,
    ];
  });
}

async function readSample(
  { readBack }: SystemDrill,
  client: Client,
  listed: ReadonlyMap<string, string>,
  random: Random,
): Promise<string[]> {
  if (readBack?.one === undefined) return [];
  const ids = [...listed.keys()];
  const unreadable: string[] = [];
  for (let left = Math.min(SAMPLE_MAX, ids.length); left > 0; left--) {
    const id = ids[Math.floor(random.fraction() * ids.length)] ?? '';
    const value = await readBack.one(client.get, id).catch(() => 'nothing');
    if (value !== listed.get(id))
      unreadable.push(`item ${id} is listed with ${listed.get(id)}, and read as ${value}`);
  }
  return unreadable;
}

function without<Value>(all: ReadonlyMap<string, Value>, ids: ReadonlySet<string>): Map<string, Value> {
  return new Map([...all].filter(([id]) => !ids.has(id)));
}

interface Looking {
  client: Client;
  inspection: Inspection;
  workload: Workload;
  before: Before;
}

/** What is there of one system, and its last reads for the history. */
async function look(
  system: DrilledSystem,
  { client, inspection, workload, before }: Looking,
  { clock, random }: ReadBackDeps,
): Promise<{ seen: Seen; reads: Attempt[] }> {
  const { drill, name } = system;
  const { held, ids } = before.systems.get(name) ?? { held: new Map(), ids: new Set<string>() };
  const fromMs = clock.monotonicMs();
  const all = await readAll(drill, client);
  const listed = without(all, ids);
  const items = workload.items.filter((item) => item.system === system);
  const reads = readsOf({ system, items, listed }, { fromMs, untilMs: clock.monotonicMs() });
  const seen: Seen = {
    ...{ system, listed, before: held },
    kept: new Map([...all].filter(([id]) => ids.has(id))),
    unreadable: await readSample(drill, client, listed, random),
    figures: (await drill.readBack?.figures?.(client.get)) ?? {},
    events: drill.events ? without(await inspection.eventsOf(drill.events.stream), ids) : new Map(),
  };
  return { seen, reads };
}

/**
 * @returns what is there, and the last reads for the history
 * @throws drill_not_quiet
 */
export async function observe(
  topology: Topology,
  { systems, workload, before }: { systems: readonly DrilledSystem[]; workload: Workload; before: Before },
  deps: ReadBackDeps,
): Promise<ReadBackResult & { reads: Attempt[] }> {
  const { clock, signal } = deps;
  const client = createClient(topology.origin, topology.rootKey, deps);
  const late = (detail: string) => drillErrors.drill_not_quiet({ detail });
  const patience = { clock, signal, boundMs: SETTLE_BOUND_MS, late };
  for (const { name, drill } of systems)
    await waitUntil(`the list of ${name} is given`, () => canList(drill, client), patience);
  await settle(workload, client, deps);
  const url = topology.databaseUrl();
  if (url === undefined) throw late('the database did not come back');
  const inspection = await openInspection(url, topology, deps);
  try {
    await inspection.untilQuiet(before.jobs, QUIET_BOUND_MS);
    const looked = [];
    for (const system of systems)
      looked.push(await look(system, { client, inspection, workload, before }, deps));
    const jobs = queuesOf(systems).map(
      async (queue) => [queue, await inspection.jobsOf(queue, before.jobs)] as const,
    );
    return {
      seen: new Map(looked.map(({ seen }) => [seen.system.name, seen])),
      reads: looked.flatMap(({ reads }) => reads),
      jobs: new Map(await Promise.all(jobs)),
      verifications: await inspection.verify(),
    };
  } finally {
    await inspection.close();
  }
}
