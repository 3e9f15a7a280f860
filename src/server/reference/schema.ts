/**
 * TypeBox schemas as the JSON Schema of OpenAPI 3.1: what has a name goes into the components once and is referred to,
 * and a union of literals or with null is written as whoever generates a client expects it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { TSchema } from 'typebox';
import { serverErrors } from '../errors.ts';

export interface JsonSchema {
  $ref?: string;
  title?: string;
  type?: string | string[];
  description?: string;
  format?: string;
  default?: unknown;
  examples?: unknown[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  allOf?: JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  [keyword: string]: unknown;
}

/** A title that names a type; any other is only a title. */
const TYPE_NAME = /^[A-Z][A-Za-z0-9]*$/;
/** Keywords of ours, which no other program knows. */
const OWN_KEYWORDS = ['allowed', 'secret'];

export const SCHEMAS_AT = '#/components/schemas/';

export interface NamedSchemas {
  /** Every named schema so far, by its name. */
  schemas: Record<string, JsonSchema>;
  /** @throws system_invalid when two different schemas have one name */
  add(schema: TSchema): JsonSchema;
}

function literals(options: readonly JsonSchema[]): JsonSchema | undefined {
  if (options.length === 0 || !options.every((option) => option.const !== undefined)) return undefined;
  const values = options.map((option) => option.const);
  if (values.every(Number.isInteger)) return { type: 'integer', enum: values };
  if (values.every((value) => typeof value === 'string')) return { type: 'string', enum: values };
  return { enum: values };
}

/** `string or null` as one schema of two types. */
function nullable(options: readonly JsonSchema[]): JsonSchema | undefined {
  const [other, ...more] = options.filter(({ type }) => type !== 'null');
  if (other === undefined || more.length > 0 || options.length !== 2) return undefined;
  if (typeof other.type !== 'string' || other.const !== undefined) return undefined;
  return {
    ...other,
    type: [other.type, 'null'],
    ...(other.enum ? { enum: [...other.enum, null] } : {}),
  };
}

function joined(schema: JsonSchema): JsonSchema {
  const { anyOf, ...rest } = schema;
  const short = anyOf && (literals(anyOf) ?? nullable(anyOf));
  return short ? { ...short, ...rest } : schema;
}

export function createNamedSchemas(): NamedSchemas {
  const schemas: Record<string, JsonSchema> = {};

  const mapped = (record: Record<string, JsonSchema>) =>
    Object.fromEntries(Object.entries(record).map(([name, each]) => [name, visit(each)]));

  function inline(schema: JsonSchema): JsonSchema {
    const { properties, items, additionalProperties, anyOf, allOf, ...rest } = schema;
    for (const keyword of OWN_KEYWORDS) delete rest[keyword];
    return joined({
      ...rest,
      ...(properties ? { properties: mapped(properties) } : {}),
      ...(items ? { items: visit(items) } : {}),
      ...(anyOf ? { anyOf: anyOf.map(visit) } : {}),
      ...(allOf ? { allOf: allOf.map(visit) } : {}),
      ...(additionalProperties === undefined
        ? {}
        : {
            additionalProperties:
              typeof additionalProperties === 'boolean' ? additionalProperties : visit(additionalProperties),
          }),
    });
  }

  function visit(schema: JsonSchema): JsonSchema {
    const { title: name, ...untitled } = schema;
    if (name === undefined || !TYPE_NAME.test(name)) return inline(schema);
    const written = inline(untitled);
    const other = schemas[name];
    if (other !== undefined && !isDeepStrictEqual(other, written)) {
      throw serverErrors.system_invalid({ detail: `two different schemas have the title ${name}` });
    }
    schemas[name] = written;
    return { $ref: `${SCHEMAS_AT}${name}` };
  }

  return {
    schemas,
    // What TypeBox keeps beside the schema is not enumerable, and is left behind here.
    add: (schema) => visit(JSON.parse(JSON.stringify(schema)) as JsonSchema),
  };
}
