/**
 * What a calibration says that cannot be: orders that hold on every machine. Pure.
 */
import { formatWhole } from '#base/values/numbers';
import type { BlockCapacity, Calibration } from './capacity/capacity.ts';

/** Measurements scatter, those of one request at a time most: so much against the order is no contradiction. */
const TOLERANCE = { 'a second': 1.15, ms: 1.3 } as const;
/** From one concurrency to the next, while few are under way, so much less is done at least. */
const KEPT_SHARE_MIN = 0.75;
/** Beyond it more callers may be in each other's way (the law's kappa). */
const FEW = 8;

/** Throughput may flatten with more callers, and later fall, but it does not fall while there are few. */
function fallsOf(name: string, { points }: Pick<BlockCapacity, 'points'>): string[] {
  const few = points.filter(({ concurrency }) => concurrency <= FEW);
  const falls = few.some(({ perS }, at) => perS < (few[at - 1]?.perS ?? 0) * KEPT_SHARE_MIN);
  if (!falls) return [];
  const figures = few.map(({ perS }) => formatWhole(perS)).join(', ');
  return [`${name}: ${figures} a second, with more under way each time`];
}

interface Order {
  more: { name: string; value: number };
  less: { name: string; value: number };
  unit: keyof typeof TOLERANCE;
}

function brokenOf({ more, less, unit }: Order): string[] {
  if (less.value <= more.value * TOLERANCE[unit]) return [];
  const shown = ({ value }: Order['more']) => (unit === 'ms' ? value.toFixed(2) : formatWhole(value));
  return [`${less.name} is ${shown(less)} ${unit}, and ${more.name} ${shown(more)}: it cannot be less`];
}

/** One line each; none where all figures can be. */
export function contradictionsOf({
  routes,
  blocks,
  systems = {},
}: Pick<Calibration, 'routes' | 'blocks' | 'systems'>): string[] {
  const { redirectHit, redirectMiss, read, create, list } = routes;
  const knee = (name: string, { kneePerS }: { kneePerS: number }) => ({
    name: `the knee of ${name}`,
    value: kneePerS,
  });
  const alone = (name: string, { serviceMs }: { serviceMs: number }) => ({
    name: `one ${name} alone`,
    value: serviceMs,
  });
  const orders: Order[] = [
    { more: knee('redirectHit', redirectHit), less: knee('redirectMiss', redirectMiss), unit: 'a second' },
    { more: knee('read', read), less: knee('create', create), unit: 'a second' },
    { more: knee('read', read), less: knee('list', list), unit: 'a second' },
    { more: alone('redirectMiss', redirectMiss), less: alone('redirectHit', redirectHit), unit: 'ms' },
    { more: alone('create', create), less: alone('read', read), unit: 'ms' },
  ];
  return [
    ...orders.flatMap(brokenOf),
    ...Object.entries(routes).flatMap(([name, route]) => fallsOf(name, route)),
    ...Object.entries(systems).flatMap(([system, own]) =>
      Object.entries(own).flatMap(([name, route]) => fallsOf(`${system}.${name}`, route)),
    ),
    ...Object.entries(blocks).flatMap(([name, block]) => fallsOf(name, block)),
  ];
}
