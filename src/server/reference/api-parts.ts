/**
 * Whether what the systems answer can be served as one API. Types say much of it too, but a system may be written in
 * JavaScript, or for another version.
 */
import { describeError } from '#base/errors';
import { deprecationHeaders, ownerOf, type RawShape, type RouteShape } from '#blocks/system';
import { serverErrors } from '../errors.ts';
import { isOwnWord, isVersioned } from '../http/own-words.ts';
import type { ApiPart } from './openapi.ts';

const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

type Shape = RouteShape | RawShape;

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
    refuse(`${named(system, shape)}: its id is "${shape.id}"; allowed is a verb phrase such as addNote`);
  }
  try {
    if (shape.deprecated) deprecationHeaders(shape.deprecated);
  } catch (cause) {
    refuse(`${named(system, shape)}: ${describeError(cause)}`);
  }
}

/** A permission is in the words of the system that asks for it: no system can ask for what another grants. */
function checkAccess(system: string, shape: Shape): void {
  const { access } = shape;
  if (access !== 'public' && ownerOf(String(access)) !== system) {
    refuse(
      `${named(system, shape)}: its access is "${access}"; allowed is public, or a permission such as ${system}:write`,
    );
  }
}

/** What types say of a route, and a system written in JavaScript may not know. */
function checkRoute(system: string, shape: RouteShape): void {
  const { whenPartitioned = 'refuse', precondition } = shape;
  if (whenPartitioned !== 'refuse') {
    refuse(`${named(system, shape)}: without the database a route refuses; what serves stale answers is raw`);
  }
  if (precondition !== undefined && precondition !== 'version') {
    refuse(`${named(system, shape)}: its precondition is "${precondition}"; allowed is version`);
  }
  if (shape.access === 'public' && shape.method === 'POST' && shape.idempotency === 'transaction') {
    refuse(
      `${named(system, shape)}: what is public is in nobody's name, so no answer is kept for a repetition`,
    );
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
    for (const shape of routes) {
      checkShape(system, shape, false);
      checkRoute(system, shape);
    }
    for (const shape of raw) checkShape(system, shape, true);
    for (const shape of [...routes, ...raw]) checkAccess(system, shape);
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
