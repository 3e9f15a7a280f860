/**
 * The systems that a command is about which reaches no installation: those of `--systems`, or those that a server runs when
 * nothing else is said.
 */
import Type from 'typebox';
import { parseOptions } from '#base/options';
import type { SystemDefinition } from '#blocks/system';
import { serverOptions } from '#server/options';
import { loadSystems } from '#server/systems/systems';
import { splitSystems } from './config.ts';

/** @param text of the flag @returns names as in the option `systems`; paths are absolute */
export function systemsOf(text: string | undefined): readonly string[] {
  const given = text === undefined ? {} : { systems: splitSystems(text) };
  return parseOptions(Type.Object({ systems: serverOptions.properties.systems }), given).systems;
}

export interface NamedSystem {
  /** As in the option `systems`. */
  given: string;
  definition: SystemDefinition;
}

/** @throws system_invalid */
export async function loadNamed(text: string | undefined): Promise<NamedSystem[]> {
  const names = systemsOf(text);
  const definitions = await loadSystems(names, process.cwd());
  return definitions.map((definition, at) => ({ definition, given: names[at] ?? definition.name }));
}
