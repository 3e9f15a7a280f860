/**
 * Checks values by schemas, and fills in their defaults. By the part of TypeBox that compiles schemas alone: `typebox/value`
 * and `typebox/compile`, which do both as well, are 310 modules more, a sixth of what every start of the program loads.
 */
import type { Static, TSchema } from 'typebox';
import { Check, Compile, type XSchema } from 'typebox/schema';

type Problems = ReturnType<ReturnType<typeof Compile>['Errors']>[1];
export type Problem = Problems[number];

export interface Validator<S extends TSchema = TSchema> {
  fits(value: unknown): value is Static<S>;
  /** What is wrong with it; empty when it fits. */
  problems(value: unknown): Problems;
}

export function compileSchema<S extends TSchema>(schema: S): Validator<S> {
  const validator = Compile(schema as XSchema);
  return {
    fits: (value): value is Static<S> => validator.Check(value),
    problems: (value) => (validator.Check(value) ? [] : validator.Errors(value)[1]),
  };
}

/** For a value now and then; `compileSchema` is for many. */
export function fitsSchema<S extends TSchema>(schema: S, value: unknown): value is Static<S> {
  return Check(schema as XSchema, value);
}

interface Node {
  default?: unknown;
  properties?: Record<string, Node>;
  items?: Node;
  anyOf?: Node[];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fillProperties(properties: Record<string, Node>, value: Record<string, unknown>): object {
  const filled = { ...value };
  for (const [name, node] of Object.entries(properties)) {
    const each = fill(node, Object.hasOwn(value, name) ? value[name] : undefined);
    if (each !== undefined) filled[name] = each;
  }
  return filled;
}

function fill(node: Node, given: unknown): unknown {
  const value = given === undefined ? structuredClone(node.default) : given;
  const { properties, items, anyOf } = node;
  if (properties && isRecord(value)) return fillProperties(properties, value);
  if (items && Array.isArray(value)) return value.map((each) => fill(items, each));
  for (const option of anyOf ?? []) {
    const filled = fill(option, value);
    if (fitsSchema(option as TSchema, filled)) return filled;
  }
  return value;
}

/** The value with the default of everything in objects, lists and unions that is not there. What is given stays as it is. */
export function fillDefaults(schema: TSchema, value: unknown): unknown {
  return fill(schema as Node, value);
}
