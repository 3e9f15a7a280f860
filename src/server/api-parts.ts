/**
 * Whether what the systems answer can be served as one API. Types say much of it too, but a system may be written in
 * JavaScript, or for another version.
 */
import { describeError } from '#base/errors';
import { type Deprecation, deprecationHeaders } from '#blocks/system';
import { serverErrors } from './errors.ts';
import type { ApiPart } from './openapi.ts';
import { isOwnWord, isVersioned } from './own-words.ts';

const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

interface Shape {
  method: string;
  path: string;
  id: string;
  deprecated?: Deprecation;
}

function refuse(detail: string): never {
  throw serverErrors.system_invalid({ detail });
}

const named = (system: string, { method, path }: Shape) => `${system}: ${method} ${path}`;

function checkShape(system: string, shape: Shape, isRaw: boolean): void {
  const path = String(shape.path);
  const first = path.split('/')[1] ?? '';
  if (!METHODS.has(shape.method)) {
    refuse(`${named(system, shape)}: the method is none of ${[...METHODS].join(', ')}`);
  }
  const isOfApi = isVersioned(path) && path.length > '/v1/'.length;
  if (!isRaw && !isOfApi) {
    refuse(`${named(system, shape)}: the path of a route starts with a version, such as /v1/`);
  }
  if (isRaw && !isOfApi && (!path.startsWith('/') || first === '' || isOwnWord(first))) {
    refuse(`${named(system, shape)}: the path is one of the server's own`);
  }
  if (typeof shape.id !== 'string' || !/^[a-z][A-Za-z0-9]*$/.test(shape.id)) {
    refuse(`${named(system, shape)}: its id is "${shape.id}"; allowed is a verb phrase such as createLink`);
  }
  try {
    if (shape.deprecated) deprecationHeaders(shape.deprecated);
  } catch (cause) {
    refuse(`${named(system, shape)}: ${describeError(cause)}`);
  }
}

type Named = { system: string; shape: Shape };

/** Refuses two of one kind, with both of their systems. */
function checkTwice(
  all: readonly Named[],
  kindOf: (shape: Shape) => string,
  say: (shape: Shape) => string,
): void {
  const seen = new Map<string, string>();
  for (const { system, shape } of all) {
    const other = seen.get(kindOf(shape));
    if (other !== undefined) refuse(`${other} and ${system} both have ${say(shape)}`);
    seen.set(kindOf(shape), system);
  }
}

/** @throws system_invalid */
export function checkParts(parts: readonly ApiPart[]): void {
  const all = parts.flatMap(({ name: system, routes, raw }) => {
    for (const shape of routes) checkShape(system, shape, false);
    for (const shape of raw) checkShape(system, shape, true);
    return [...routes, ...raw].map((shape) => ({ system, shape }));
  });
  checkTwice(
    all,
    ({ method, path }) => `${method} ${path.replaceAll(/:[^/]+/g, ':')}`,
    ({ method, path }) => `${method} ${path}`,
  );
  checkTwice(
    all,
    ({ id }) => id,
    ({ id }) => `an operation ${id}`,
  );
}
