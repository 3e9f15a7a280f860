import assert from 'node:assert/strict';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { type DrilledSystem, loadDrilled } from '../drilled-systems.ts';
import type { Attempt } from './attempt.ts';
import type { Item, Planned } from './planned.ts';

/** The systems that come with Loadstone, as drills have them. */
export const drilled: readonly DrilledSystem[] = await loadDrilled(SYSTEMS_DEFAULT, import.meta.dirname);

const [first] = drilled;
assert(first, 'a system comes with Loadstone');
/** The first of them. */
export const system: DrilledSystem = first;

export function operationOf(name: string, of: DrilledSystem = system) {
  const operation = of.drill.operations[name];
  assert(operation, `${of.name} has an operation ${name}`);
  return operation;
}

export function makeItem(own: Partial<Item> = {}): Item {
  return {
    system,
    key: 'item-1',
    idempotencyKey: 'drill-1-item-1',
    value: 'https://example.com/a',
    by: operationOf('create'),
    ids: new Set(['11']),
    remembered: { code: 'abc', etag: '"1"' },
    ...own,
  };
}

/** @param name of an operation of the item's system, or of the first */
export function makePlanned(name: string, item: Item | undefined, value?: string): Planned {
  const of = item?.system ?? system;
  return { system: of, operation: operationOf(name, of), item, value };
}

/** One that was answered well. */
export function makeAttempt(own: Partial<Attempt> = {}): Attempt {
  return {
    planned: makePlanned('read', undefined),
    intendedMs: 0,
    sentMs: 0,
    endedMs: 10,
    outcome: 'ok',
    fate: 'answered',
    isFailure: false,
    status: 200,
    code: undefined,
    found: undefined,
    learnt: undefined,
    isProblem: false,
    retryAfter: undefined,
    ...own,
  };
}
