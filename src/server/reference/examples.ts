/**
 * An example of what a schema allows: what the schema gives as one, else the plainest value that fits.
 */
import type { TSchema } from 'typebox';
import { fitsSchema } from '#base/options/validate';
import type { JsonSchema } from './schema.ts';

const TIME = '2026-01-02T03:04:05Z';

/** Of a request only what is needed, and what has an example of its own; of an answer everything. */
export type Extent = 'needed' | 'all';

function object({ properties = {}, required = [] }: JsonSchema, extent: Extent): object {
  const shown = Object.entries(properties).filter(
    ([name, field]) => extent === 'all' || required.includes(name) || field.examples !== undefined,
  );
  return Object.fromEntries(shown.map(([name, field]) => [name, plainest(field, extent)]));
}

function ofType(schema: JsonSchema, extent: Extent): unknown {
  switch (schema.type) {
    case 'object':
      return object(schema, extent);
    case 'array':
      return schema.items ? [plainest(schema.items, extent)] : [];
    case 'string':
      return schema.format === 'date-time' ? TIME : 'text';
    case 'integer':
    case 'number':
      return schema.minimum ?? 1;
    case 'boolean':
      return true;
    default:
      return null;
  }
}

function plainest(schema: JsonSchema, extent: Extent): unknown {
  if (schema.examples?.length) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf?.[0]) return plainest(schema.anyOf[0], extent);
  return ofType(schema, extent);
}

/** Undefined when none was found that fits: no example is better than a wrong one. */
export function exampleOf(schema: TSchema, extent: Extent): unknown {
  const example = plainest(schema as unknown as JsonSchema, extent);
  return fitsSchema(schema, example) ? example : undefined;
}
