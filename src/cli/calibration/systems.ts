/**
 * What is measured of which system, and where its figures go.
 */
import { type Calibration, ROUTE_NAMES, type RouteCapacity, type RouteName } from '#blocks/plan';
import type { CalibrationMeasure, SystemCalibration } from '#blocks/system';
import { calibrationErrors } from './errors.ts';

export interface CalibratedSystem {
  name: string;
  /** As in the option `systems`. */
  given: string;
  calibrate: SystemCalibration;
}

export interface Measured {
  /** A kind of request, or `notes.add`. */
  name: string;
  system: string;
  /** As its system calls it. */
  route: string;
  measure: CalibrationMeasure;
}

export interface Found extends Measured {
  capacity: RouteCapacity;
}

/** In the order in which they are measured: what reads before what writes. */
export function measuresOf(systems: readonly CalibratedSystem[]): Measured[] {
  const taken = new Set<RouteName>();
  const all = systems.flatMap(({ name: system, calibrate: { measures } }) =>
    Object.entries(measures).map(([route, measure]): Measured => {
      const { standsFor } = measure;
      const isFirst = standsFor !== undefined && !taken.has(standsFor);
      if (isFirst) taken.add(standsFor);
      return { name: isFirst ? standsFor : `${system}.${route}`, system, route, measure };
    }),
  );
  return all.toSorted((a, b) => Number('write' in a.measure) - Number('write' in b.measure));
}

/**
 * @param text of `--systems`
 * @throws system_invalid; calibration_failed where a kind of request that plans need is measured of none
 */
export async function loadCalibrated(text: string | undefined): Promise<CalibratedSystem[]> {
  const { loadNamed } = await import('../named-systems.ts');
  const systems = (await loadNamed(text)).flatMap(({ given, definition: { name, calibrate } }) =>
    calibrate === undefined ? [] : [{ name, given, calibrate }],
  );
  const names = new Set(measuresOf(systems).map(({ name }) => name));
  const missing = ROUTE_NAMES.filter((name) => !names.has(name));
  if (missing.length === 0) return systems;
  throw calibrationErrors.calibration_failed({
    detail: `a plan needs ${missing.join(', ')}, and none of the systems stands for ${missing.length === 1 ? 'it' : 'them'}`,
  });
}

/** The figures as a calibration has them. */
export function sortRoutes(found: readonly Found[]): Pick<Calibration, 'routes' | 'systems'> {
  const isKind = ({ name }: Found) => (ROUTE_NAMES as readonly string[]).includes(name);
  const routes = found.filter(isKind).map(({ name, capacity }) => [name, capacity] as const);
  const bySystem = Map.groupBy(
    found.filter((each) => !isKind(each)),
    ({ system }) => system,
  );
  const systems = [...bySystem].map(
    ([system, all]) =>
      [system, Object.fromEntries(all.map(({ route, capacity }) => [route, capacity]))] as const,
  );
  return {
    routes: Object.fromEntries(routes) as Calibration['routes'],
    ...(systems.length > 0 ? { systems: Object.fromEntries(systems) } : {}),
  };
}
