/**
 * Finds the systems that the configuration names: those that come with Loadstone, and modules from anywhere else.
 */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { describeError } from '#base/errors';
import { defineSystem, type SystemDefinition } from '#blocks/system';
import { serverErrors } from '../errors.ts';
import { serverOptions } from '../options.ts';
import { ownSystems } from './list.ts';
import { importSystem } from './module.ts';

/** The module file that a path means: itself, or the index file of a directory. */
function findModule(path: string): string | undefined {
  const candidates = [
    path,
    ...['index.ts', 'index.mts', 'index.js', 'index.mjs'].map((name) => join(path, name)),
  ];
  return candidates.find((candidate) => existsSync(candidate) && statSync(candidate).isFile());
}

async function loadFrom(path: string, from: string): Promise<SystemDefinition> {
  const absolute = isAbsolute(path) ? path : resolve(from, path);
  const file = findModule(absolute);
  if (file === undefined) {
    throw serverErrors.system_invalid({
      detail: `systems: ${path} has no module (looked for ${absolute} and its index file)`,
    });
  }
  const module = await importSystem(file).catch((problem: Error) => {
    // Its cause is in the message, and would be told again.
    throw serverErrors.system_invalid({ detail: `systems: ${path} cannot be loaded: ${problem.message}` });
  });
  const definition = module.default as SystemDefinition | undefined;
  if (typeof definition?.create !== 'function' || typeof definition.name !== 'string') {
    throw serverErrors.system_invalid({ detail: `systems: ${path} does not export a system as its default` });
  }
  checkDefinition(definition, path);
  return definition;
}

/** Also one that was written without defineSystem, or declared by another version of it. */
function checkDefinition(definition: SystemDefinition, path: string): void {
  try {
    defineSystem(definition);
    assert(definition.options?.type === 'object', `${definition.name} has no options schema`);
    assert(
      !Object.hasOwn(serverOptions.properties, definition.name),
      `${definition.name} is an option of the server`,
    );
  } catch (cause) {
    throw serverErrors.system_invalid({ detail: `systems: ${path}: ${describeError(cause)}` });
  }
}

/** Whether a name in `systems` means a module's path. */
export function isSystemPath(name: string): boolean {
  return /^\.{0,2}\//.test(name);
}

/**
 * @param names as in the option `systems`
 * @param from directory that relative paths start from
 */
export async function loadSystems(names: readonly string[], from: string): Promise<SystemDefinition[]> {
  const definitions: SystemDefinition[] = [];
  for (const name of names) {
    const isPath = isSystemPath(name);
    const own = Object.hasOwn(ownSystems, name) ? ownSystems[name] : undefined;
    if (!isPath && !own) {
      const known = Object.keys(ownSystems).join(', ');
      throw serverErrors.system_invalid({
        detail: `systems: "${name}" is not known; known is ${known}, or a path such as ./${name}`,
      });
    }
    const definition = own && !isPath ? (await own()).default : await loadFrom(name, from);
    if (definitions.some((other) => other.name === definition.name)) {
      throw serverErrors.system_invalid({ detail: `systems: ${definition.name} is named twice` });
    }
    definitions.push(definition);
  }
  return definitions;
}
