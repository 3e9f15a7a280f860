/**
 * Query, path and headers arrive as text: what a schema wants as a number or as true or false is read from it, in one
 * spelling only. Whatever is spelt otherwise stays text, and so does not fit.
 */
import type { TSchema } from 'typebox';
import type { SchemaNode } from '#base/options/schema';
import { fitsSchema } from '#base/options/validate';

const INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
const DECIMAL = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/;

function literalOf(literals: readonly unknown[], text: string): unknown {
  return literals.find((literal) => String(literal) === text) ?? text;
}

/** `1e3`, `0x5`, `+1`, ` 1`, `01` and what a double cannot hold are no numbers. */
function readText(node: SchemaNode, text: string): unknown {
  if (node.const !== undefined) return literalOf([node.const], text);
  if (node.enum) return literalOf(node.enum, text);
  if (node.type === 'boolean') return literalOf([true, false], text);
  if (node.type === 'integer' && INTEGER.test(text)) {
    return Number.isSafeInteger(Number(text)) ? Number(text) : text;
  }
  if (node.type === 'number' && DECIMAL.test(text)) return Number(text);
  for (const option of node.anyOf ?? []) {
    const value = readText(option, text);
    if (fitsSchema(option as TSchema, value)) return value;
  }
  return text;
}

/** A name that is given several times is a list, and only fits where the schema has one. */
function readOne(node: SchemaNode, given: unknown): unknown {
  if (node.type === 'array') {
    const { items = {} } = node;
    return [given].flat().map((each) => (typeof each === 'string' ? readText(items, each) : each));
  }
  return typeof given === 'string' ? readText(node, given) : given;
}

/** @param given by name: a text, or a list of them for a name that came several times */
export function readTextValues(schema: TSchema, given: Readonly<Record<string, unknown>>): object {
  const { properties = {} } = schema as SchemaNode;
  const read: Record<string, unknown> = { ...given };
  for (const [name, node] of Object.entries(properties)) {
    if (Object.hasOwn(read, name)) read[name] = readOne(node, read[name]);
  }
  return read;
}
