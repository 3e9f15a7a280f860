/**
 * A schema as rows of a table: each field with what it allows, what it means and an example.
 */
import type { TSchema } from 'typebox';
import { describeAllowed } from '#base/options/schema';
import { escapeHtml } from '../pages/html.ts';
import { renderInline, renderMarkdown } from './markdown.ts';
import { type JsonSchema, SCHEMAS_AT } from './schema.ts';

export type Schemas = Readonly<Record<string, JsonSchema>>;

/** A field inside of a field, and so on: deeper ones are only named. */
const DEPTH_MAX = 6;

function nameOf({ $ref = '' }: JsonSchema): string | undefined {
  return $ref.startsWith(SCHEMAS_AT) ? $ref.slice(SCHEMAS_AT.length) : undefined;
}

/** With what it refers to. */
export function resolve(schema: JsonSchema, schemas: Schemas): JsonSchema {
  const name = nameOf(schema);
  const { $ref, ...rest } = schema;
  return name === undefined ? schema : { ...schemas[name], ...rest };
}

function describe(schema: JsonSchema): string {
  if (Array.isArray(schema.type) && !schema.enum) {
    return schema.type.map((type) => describe({ ...schema, type })).join(' or ');
  }
  if (schema.anyOf) return schema.anyOf.map(describe).join(' or ');
  if (schema.$ref) return nameOf(schema) ?? schema.$ref;
  return describeAllowed(schema as unknown as TSchema);
}

function typeOf(schema: JsonSchema, schemas: Schemas): string {
  const whole = resolve(schema, schemas);
  if (whole.type === 'object') return nameOf(schema) ?? 'an object';
  if (whole.type === 'array' && whole.items) return `a list of ${typeOf(whole.items, schemas)}`;
  return describe(whole);
}

function row(
  name: string,
  isRequired: boolean,
  type: string,
  { description, default: given }: JsonSchema,
): string {
  const standing = given === undefined ? '' : ` Default ${JSON.stringify(given)}.`;
  return `<tr><td><code>${escapeHtml(name)}</code></td><td><span class="type">${renderInline(type)}${isRequired ? ', required' : ''}.</span>${renderMarkdown(`${description ?? ''}${standing}`)}</td></tr>`;
}

function rows(schema: JsonSchema, schemas: Schemas, prefix: string, depth: number): string {
  const { properties = {}, required = [] } = resolve(schema, schemas);
  return Object.entries(properties)
    .map(([name, field]) => {
      const whole = resolve(field, schemas);
      const inner = whole.type === 'array' && whole.items ? whole.items : field;
      const path = `${prefix}${name}`;
      const suffix = whole.type === 'array' ? '[].' : '.';
      const nested = depth < DEPTH_MAX ? rows(inner, schemas, `${path}${suffix}`, depth + 1) : '';
      return `${row(path, required.includes(name), typeOf(field, schemas), whole)}${nested}`;
    })
    .join('');
}

/** Empty for what has no fields. */
export function fieldTable(schema: JsonSchema, schemas: Schemas): string {
  const found = rows(schema, schemas, '', 0);
  return found === '' ? '' : `<table>${found}</table>`;
}

export interface NamedField {
  name: string;
  required: boolean;
  description: string;
  schema: JsonSchema;
}

export function namedTable(fields: readonly NamedField[], schemas: Schemas): string {
  const found = fields.map(({ name, required, description, schema }) =>
    row(name, required, typeOf(schema, schemas), { ...schema, description }),
  );
  return `<table>${found.join('')}</table>`;
}
