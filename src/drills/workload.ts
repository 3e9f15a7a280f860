/**
 * What the clients of a drill do: operations of all its systems, drawn by seed. A creation whose outcome is not known is sent
 * again under the same Idempotency-Key until it is.
 */
import assert from 'node:assert/strict';
import type { Runtime } from '#base/runtime';
import type { LoadAnswer, LoadRequest } from '#blocks/load';
import type { DrilledItem, DrillOperation, DrillRequest } from '#blocks/system';
import { type DrilledSystem, isStale } from './drilled-systems.ts';
import { type Attempt, readAttempt } from './load/attempt.ts';
import type { Item, Planned } from './load/planned.ts';
import { toLoadRequest } from './load/request.ts';

/** What a scenario needs more of, as factors of the weights that systems give. */
export interface Emphasis {
  /** Creations that leave no job. */
  creations?: number;
  /** Operations that leave a job. */
  jobs?: number;
  /** Reads that may be stale. */
  staleReads?: number;
}

export interface Workload {
  /** The request of the next arrival. */
  next(): LoadRequest;
  /** A creation, for the warm-up: of each system in turn. */
  create(): LoadRequest;
  /** Takes note of an answer. */
  answered(answer: LoadAnswer): void;
  /** Creations whose outcome no answer has told, to be sent again. */
  takeUnsettled(): LoadRequest[];
  readonly items: readonly Item[];
  readonly attempts: readonly Attempt[];
}

export interface WorkloadOptions {
  seed: number;
  /** Keeps the keys of this run apart from those of another with the same seed. */
  run: string;
  systems: readonly DrilledSystem[];
  emphasis: Emphasis;
  rootKey: string;
}

/** Items of a system that are worked on at a time: few enough that operations meet. */
const POPULAR_MAX = 200;
const RETRY_AFTER_MS = 250;

export interface Weighted {
  system: DrilledSystem;
  operation: DrillOperation;
  weight: number;
}

function factorOf(operation: DrillOperation, { creations = 1, jobs = 1, staleReads = 1 }: Emphasis): number {
  if (operation.job !== undefined) return jobs;
  if (operation.effect === 'create') return creations;
  return isStale(operation) ? staleReads : 1;
}

/** Pure. */
export function weigh(systems: readonly DrilledSystem[], emphasis: Emphasis): Weighted[] {
  return systems.flatMap((system) =>
    Object.values(system.drill.operations).map((operation) => ({
      ...{ system, operation },
      weight: operation.weight * factorOf(operation, emphasis),
    })),
  );
}

/** Pure: the operation that a draw in [0, 1) means. */
export function drawOperation(weighted: readonly Weighted[], fraction: number): Weighted {
  let left = fraction * weighted.reduce((sum, { weight }) => sum + weight, 0);
  const drawn =
    weighted.find(({ weight }) => {
      left -= weight;
      return left < 0;
    }) ?? weighted[0];
  assert(drawn, 'a drill has operations');
  return drawn;
}

/** As its system's operations see it. */
function viewOf({ ids, remembered }: Item): DrilledItem {
  return { id: idOf({ ids }), remembered };
}

/** The first that an answer has given; empty before. */
export function idOf({ ids }: Pick<Item, 'ids'>): string {
  return [...ids][0] ?? '';
}

const isPlainCreation = ({ effect, ...operation }: DrillOperation) =>
  effect === 'create' && operation.job === undefined && !('isBrief' in operation && operation.isBrief);

export function createWorkload(
  { seed, run, systems, emphasis, rootKey }: WorkloadOptions,
  { clock, random }: Pick<Runtime, 'clock' | 'random'>,
): Workload {
  const weighted = weigh(systems, emphasis);
  const creations = weighted.filter(({ operation }) => isPlainCreation(operation));
  const items: Item[] = [];
  const attempts: Attempt[] = [];
  const popular = new Map<DrilledSystem, Item[]>(systems.map((system) => [system, []]));
  let unsettled: { request: LoadRequest; dueMs: number }[] = [];
  let [writes, arrivals, warmed] = [0, 0, 0];

  function nextValue({ drill }: DrilledSystem, key: string): string {
    writes += 1;
    const unique = `${seed}/${key}/${writes}`;
    return drill.toValue?.(unique) ?? unique;
  }

  function encode(request: DrillRequest, tag: Planned): LoadRequest {
    const idempotencyKey = tag.operation.effect === 'create' ? tag.item?.idempotencyKey : undefined;
    return { ...toLoadRequest(request, { rootKey, idempotencyKey }), tag };
  }

  function remember(item: Item, remembered: Readonly<Record<string, string>> = {}): void {
    item.remembered = { ...item.remembered, ...remembered };
  }

  function create({ system, operation }: Pick<Weighted, 'system' | 'operation'>): LoadRequest {
    const key = `${system.name}-${items.length + 1}`;
    const item: Item = {
      ...{ system, key, by: operation, ids: new Set<string>(), remembered: {} },
      idempotencyKey: `drill-${run}-${key}`,
      value: nextValue(system, key),
    };
    items.push(item);
    return requestOf({ system, operation }, item, item.value);
  }

  function requestOf({ system, operation }: Pick<Weighted, 'system' | 'operation'>, item: Item, value = '') {
    assert(operation.effect !== 'look' && operation.effect !== 'work', 'it is about an item');
    const writesIt = operation.effect === 'create' || operation.effect === 'change';
    const request = operation.request(viewOf(item), value, random);
    remember(item, request.remember);
    return encode(request, { system, operation, item, value: writesIt ? value : undefined });
  }

  /** An operation on something that is there, or undefined while nothing is. */
  function useItem({ system, operation }: Weighted): LoadRequest | undefined {
    const some = popular.get(system) ?? [];
    const item = some[Math.floor(random.fraction() * some.length)];
    if (item === undefined) return undefined;
    if (operation.effect === 'remove') some.splice(some.indexOf(item), 1);
    const value = operation.effect === 'change' ? nextValue(system, item.key) : undefined;
    return requestOf({ system, operation }, item, value);
  }

  function learn({ operation, item, system }: Planned, { learnt, outcome }: Attempt): void {
    if (item === undefined || outcome !== 'ok' || learnt === undefined) return;
    remember(item, learnt.remember);
    if (operation.effect !== 'create' || learnt.id === undefined) return;
    const isFirst = item.ids.size === 0;
    item.ids.add(learnt.id);
    if (!isFirst || operation.isBrief) return;
    const some = popular.get(system);
    some?.push(item);
    if (some && some.length > POPULAR_MAX) some.shift();
  }

  function takeDue(): LoadRequest | undefined {
    const nowMs = clock.monotonicMs();
    const at = unsettled.findIndex(({ dueMs }) => dueMs <= nowMs);
    return at === -1 ? undefined : unsettled.splice(at, 1)[0]?.request;
  }

  function draw(): LoadRequest {
    const drawn = drawOperation(weighted, random.fraction());
    const { system, operation } = drawn;
    if (operation.effect === 'look' || operation.effect === 'work') {
      return encode(operation.request(), { system, operation, item: undefined, value: undefined });
    }
    if (operation.effect === 'create') return create(drawn);
    const used = useItem(drawn);
    const creation = creations.find((each) => each.system === system) ?? creations[0];
    assert(used ?? creation, `${system.name} works on items and has no operation that makes them`);
    return used ?? create(creation as Weighted);
  }

  return {
    ...{ items, attempts },
    create() {
      const creation = creations[warmed++ % creations.length];
      return creation === undefined ? draw() : create(creation);
    },
    next() {
      arrivals += 1;
      // Every other one at most, so that a long outage is not met by repetitions alone.
      const again = arrivals % 2 === 0 ? takeDue() : undefined;
      return again ?? draw();
    },
    answered(answer) {
      const planned = answer.request.tag as Planned;
      const attempt = readAttempt(planned, answer, planned.item && viewOf(planned.item));
      attempts.push(attempt);
      learn(planned, attempt);
      const isCreation = planned.operation.effect === 'create';
      if (!isCreation || (attempt.outcome !== 'unknown' && !attempt.isFailure)) return;
      unsettled.push({ request: answer.request, dueMs: clock.monotonicMs() + RETRY_AFTER_MS });
    },
    takeUnsettled() {
      const taken = unsettled.map(({ request }) => request);
      unsettled = [];
      return taken;
    },
  };
}
