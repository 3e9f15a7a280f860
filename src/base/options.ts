/**
 * Options: every room declares a TypeBox schema in options.ts; it is parsed once, at start, and gives the
 * configuration reference. Unknown keys and impossible values are refused with the path, the value and what is allowed.
 */
import type { Static, TObject, TSchema } from 'typebox';
import Type from 'typebox';
import { defineErrors } from './errors.ts';
import { listProblems, type SchemaNode, shorten } from './options/schema.ts';
import { readUrl } from './options/url.ts';
import { fillDefaults } from './options/validate.ts';

export const optionsErrors = defineErrors('base', {
  option_invalid: {
    status: 500,
    title: 'An option has an impossible value',
    doc: 'A flag, environment variable or configuration key is unknown or outside what is allowed; the server does not start. The line names the path, the value and what is allowed.',
  },
});

/** An object of options: closed, with every default written into it. */
export function optionsSchema<P extends Record<string, TSchema>>(
  properties: P,
  description?: string,
): TObject<P> {
  return Type.Object(properties, {
    additionalProperties: false,
    default: {},
    ...(description === undefined ? {} : { description }),
  }) as TObject<P>;
}

/** The value with every URL in it in its normal form. */
function readUrls(node: SchemaNode, value: unknown, at: readonly string[]): unknown {
  if (node.url !== undefined && typeof value === 'string') {
    const reading = readUrl(value, node.url);
    if ('url' in reading) return reading.url;
    const given = node.secret ? 'the value given' : shorten(value);
    const detail = `${given} is not allowed: ${reading.problem}; allowed is ${node.allowed}`;
    throw optionsErrors.option_invalid({ detail: `${at.join('.')}: ${detail}` });
  }
  const { items, properties } = node;
  if (Array.isArray(value))
    return items ? value.map((each, index) => readUrls(items, each, [...at, String(index)])) : value;
  if (value === null || typeof value !== 'object' || !properties) return value;
  const read = Object.entries(value).map(([key, each]) => {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    return [key, property ? readUrls(property, each, [...at, key]) : each];
  });
  return Object.fromEntries(read);
}

/**
 * Parses `raw` by `schema`, fills in defaults, brings URLs into their normal form and freezes the result.
 * @param at the path of `raw` in the whole configuration, for the message; empty for the root
 * @throws option_invalid with one line that names the path, the value and what is allowed
 */
export function parseOptions<S extends TSchema>(schema: S, raw: unknown, at = ''): Static<S> {
  const filled = fillDefaults(schema, structuredClone(raw ?? {}));
  const problem = listProblems(schema, filled)[0];
  const root = at === '' ? [] : [at];
  if (problem === undefined) return deepFreeze(readUrls(schema as SchemaNode, filled, root)) as Static<S>;
  const path = [at, ...problem.pointer.split('/').slice(1)].filter(Boolean).join('.') || 'configuration';
  throw optionsErrors.option_invalid({ detail: `${path}: ${problem.detail}` });
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const key of Object.keys(value)) deepFreeze((value as Record<string, unknown>)[key]);
  }
  return value;
}
