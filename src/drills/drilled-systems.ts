/**
 * The systems that a drill loads and checks, by what each tells of itself.
 */
import { parseOptions } from '#base/options';
import type { DrillOperation, StaleMs, SystemDefinition, SystemDrill } from '#blocks/system';
import { loadSystems } from '#server/systems/systems';
import { drillErrors } from './errors.ts';

export interface DrilledSystem {
  name: string;
  drill: SystemDrill;
  /** How old what its stale routes answer may be; undefined where it has none. */
  staleMs: StaleMs | undefined;
}

/** Whether its answers may be older than the truth, up to an age. */
export function isStale({ route: { whenPartitioned } }: Pick<DrillOperation, 'route'>): boolean {
  return typeof whenPartitioned === 'object';
}

/** How old what each system's stale routes answer may be, by its name. */
export type Ages = Readonly<Record<string, StaleMs>>;

/** @param systemOptions parsed, of each system by its name */
export function agesOf(
  definitions: readonly SystemDefinition[],
  systemOptions: Readonly<Record<string, unknown>>,
): Ages {
  return Object.fromEntries(
    definitions.flatMap(({ name, drill }) => {
      const options = systemOptions[name] as Readonly<Record<string, unknown>>;
      return drill?.staleMs === undefined ? [] : [[name, drill.staleMs(options)] as const];
    }),
  );
}

/** Of servers that the drill starts itself, with the options that each system has for that. */
function ownAges(definitions: readonly SystemDefinition[]): Ages {
  const options = definitions.map(
    ({ name, options: schema, drill }) => [name, parseOptions(schema, { ...drill?.options })] as const,
  );
  return agesOf(definitions, Object.fromEntries(options));
}

/**
 * Those of the systems that tell how they are drilled.
 * @param names as in the option `systems`
 * @param from the directory that relative paths start from
 * @param ages of servers that run already
 * @throws system_invalid; drill_impossible_here where none of them does
 */
export async function loadDrilled(
  names: readonly string[],
  from: string,
  ages?: Ages,
): Promise<DrilledSystem[]> {
  const definitions = await loadSystems(names, from);
  const known = ages ?? ownAges(definitions);
  const systems = definitions.flatMap(({ name, drill }) =>
    drill === undefined ? [] : [{ name, drill, staleMs: known[name] }],
  );
  if (systems.length > 0) return systems;
  const detail = `none of ${names.join(', ')} has a \`drill\`, which says how it is loaded and what must hold`;
  throw drillErrors.drill_impossible_here({ detail });
}

/** Those options, for loadstone.yaml. */
export function optionsOf(
  systems: readonly DrilledSystem[],
): Record<string, Readonly<Record<string, unknown>>> {
  return Object.fromEntries(
    systems.flatMap(({ name, drill }) =>
      drill.options === undefined ? [] : [[name, drill.options] as const],
    ),
  );
}
