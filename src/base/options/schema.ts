/**
 * Reads TypeBox schemas aloud: what a schema allows, and what is wrong with a value, in words for a person.
 */
import type { TSchema } from 'typebox';
import { Settings } from 'typebox/system';
import type { FieldProblem } from '../errors.ts';
import type { UrlKind } from './url.ts';
import { compileSchema, type Problem, type Validator } from './validate.ts';

/** A union counts once per option; the default of 8 would hide later fields. */
Settings.Set({ maxErrors: 64 });

export interface SchemaNode {
  type?: string;
  format?: string;
  description?: string;
  /** What a pattern allows, in words. */
  allowed?: string;
  /** It is a URL, to be read by the rule of this kind. */
  url?: UrlKind;
  /** Its value is never shown. */
  secret?: boolean;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: SchemaNode[];
  items?: SchemaNode;
  properties?: Record<string, SchemaNode>;
}

/** What a schema allows, in words: "an integer from 1 to 100". */
export function describeAllowed(schema: TSchema): string {
  const node = schema as SchemaNode;
  if (node.allowed !== undefined) return node.allowed;
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum) return orList(node.enum.map((value) => JSON.stringify(value)));
  if (node.anyOf) return orList(node.anyOf.map((option) => describeAllowed(option as TSchema)));
  if (node.type === 'object')
    return `an object with ${Object.keys(node.properties ?? {}).join(', ') || 'any keys'}`;
  if (node.type === 'array') {
    const most = node.maxItems === undefined ? '' : ` of at most ${node.maxItems}`;
    return `a list${most}${node.items ? `, each ${describeAllowed(node.items as TSchema)}` : ''}`;
  }
  if (node.type === 'string' && node.format === 'date-time') return 'a time (RFC 3339)';
  if (node.type === 'string')
    return `a string${describeLength(node)}${node.pattern ? ` like ${node.pattern}` : ''}`;
  if (node.type === 'boolean') return 'true or false';
  if (node.type === 'null') return 'null';
  const article = node.type === 'integer' ? 'an integer' : `a ${node.type ?? 'value'}`;
  return `${article}${describeRange(node)}`;
}

/** "a, b or c". */
function orList(items: readonly string[]): string {
  const last = items.at(-1) ?? '';
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} or ${last}`;
}

function describeRange({ minimum, maximum }: SchemaNode): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return ` of at least ${minimum}`;
  return maximum === undefined ? '' : ` of at most ${maximum}`;
}

function describeLength({ minLength, maxLength }: SchemaNode): string {
  const characters = (count: number) => `${count} character${count === 1 ? '' : 's'}`;
  if (minLength !== undefined && maxLength !== undefined)
    return ` of ${minLength} to ${characters(maxLength)}`;
  if (minLength !== undefined) return ` of at least ${characters(minLength)}`;
  return maxLength === undefined ? '' : ` of at most ${characters(maxLength)}`;
}

/** The schema and the value at a JSON pointer. */
export function lookUp(
  schema: TSchema,
  value: unknown,
  pointer: string,
): { schema: SchemaNode | undefined; value: unknown } {
  let node: SchemaNode | undefined = schema as SchemaNode;
  let at = value;
  for (const part of pointer.split('/').slice(1)) {
    node = node?.properties?.[part] ?? node?.items;
    at = at !== null && typeof at === 'object' ? (at as Record<string, unknown>)[part] : undefined;
  }
  return { schema: node, value: at };
}

/** A value on one short line. Lists and objects are only named: they may be nested too deeply to be written out. */
export function shorten(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : 'a list';
  if (value !== null && typeof value === 'object') return 'an object';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** Words for one problem; none for those that only repeat another (a union's options, an object's unknown keys). */
function describeProblem(schema: TSchema, value: unknown, problem: Problem): FieldProblem[] {
  const pointer = problem.instancePath;
  if (problem.keyword === 'required') {
    const missing = (problem.params as { requiredProperties: string[] }).requiredProperties;
    return missing.map((name) => ({ pointer: `${pointer}/${name}`, detail: 'is required' }));
  }
  if (problem.keyword === 'boolean') {
    const given = shorten(lookUp(schema, value, pointer).value);
    return [
      {
        pointer,
        detail: `is not known here (value ${given}); known is ${knownKeys(schema, value, pointer)}`,
      },
    ];
  }
  if (problem.keyword === 'additionalProperties') return [];
  if (/\/anyOf\/\d+/.test(problem.schemaPath)) return [];
  const found = lookUp(schema, value, pointer);
  if (problem.keyword === 'minProperties')
    return [
      {
        pointer,
        detail: `must have at least one of ${Object.keys(found.schema?.properties ?? {}).join(', ')}`,
      },
    ];
  const allowed = found.schema ? describeAllowed(found.schema as TSchema) : problem.message;
  const given = found.schema?.secret ? 'the value given' : shorten(found.value);
  return [{ pointer, detail: `${given} is not allowed; allowed is ${allowed}` }];
}

function knownKeys(schema: TSchema, value: unknown, pointer: string): string {
  const parent = lookUp(schema, value, pointer.slice(0, pointer.lastIndexOf('/'))).schema;
  return Object.keys(parent?.properties ?? {}).join(', ') || 'nothing';
}

/** Everything wrong with `value`, unknown keys first, then the deepest. Empty when it fits. */
export function listProblems(
  schema: TSchema,
  value: unknown,
  validator: Pick<Validator, 'problems'> = compileSchema(schema),
): FieldProblem[] {
  const depth = (problem: Problem) =>
    problem.keyword === 'boolean' ? -100 : -problem.instancePath.split('/').length;
  return validator
    .problems(value)
    .toSorted((a, b) => depth(a) - depth(b))
    .flatMap((problem) => describeProblem(schema, value, problem));
}
