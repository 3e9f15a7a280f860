/**
 * Whether what the systems answer can be served as one API. Types say much of it too, but a system may be written in
 * JavaScript, or for another version.
 */
import { type HotShape, OWN_PATHS, ownerOf, type RouteShape } from '#blocks/system';
import { serverErrors } from './errors.ts';
import type { ApiPart } from './openapi.ts';

const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

type Shape = RouteShape | HotShape;

function refuse(detail: string): never {
  throw serverErrors.system_invalid({ detail });
}

const named = (system: string, { method, path }: Shape) => `${system}: ${method} ${path}`;

function checkShape(system: string, shape: Shape, isHot: boolean): void {
  const first = String(shape.path).split('/')[1] ?? '';
  if (!METHODS.has(shape.method)) {
    refuse(`${named(system, shape)}: the method is none of ${[...METHODS].join(', ')}`);
  }
  if (!isHot && !String(shape.path).startsWith('/v1/')) {
    refuse(`${named(system, shape)}: the path of a route starts with /v1/`);
  }
  if (isHot && (!String(shape.path).startsWith('/') || OWN_PATHS.has(first))) {
    refuse(`${named(system, shape)}: the path is one of the server's own`);
  }
  if (typeof shape.id !== 'string' || !/^[a-z][A-Za-z0-9]*$/.test(shape.id)) {
    refuse(`${named(system, shape)}: its id is "${shape.id}"; allowed is a verb phrase such as addNote`);
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
  const all = parts.flatMap(({ name: system, routes, hot }) => {
    for (const shape of routes) {
      checkShape(system, shape, false);
      checkRoute(system, shape);
    }
    for (const shape of hot) checkShape(system, shape, true);
    for (const shape of [...routes, ...hot]) checkAccess(system, shape);
    return [...routes, ...hot].map((shape) => ({ system, shape }));
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
