/**
 * SQL that cannot carry an unparameterised value: a query is made only by the `sql` tag, whose substitutions become
 * `$1, $2, …`. A substitution may also be another `sql` fragment, which is spliced in. Each distinct text is prepared
 * once per connection under a name made from its hash.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

/** What may be sent as a parameter. Ids are strings (64 bits do not fit a JavaScript number). */
export type SqlValue = string | number | bigint | boolean | Date | Uint8Array | null | readonly SqlValue[];

declare const row: unique symbol;

/** A query or a fragment of one; `Row` is the shape of the rows it returns. */
export interface Sql<Row = unknown> {
  readonly text: string;
  readonly values: readonly SqlValue[];
  readonly [row]?: Row;
}

const made = new WeakSet<object>();

function isSql(value: unknown): value is Sql {
  return typeof value === 'object' && value !== null && made.has(value);
}

/** The text of a template whose substitutions are all values is the same at each call: built once. */
const textOf = new WeakMap<TemplateStringsArray, string>();

function plainText(strings: TemplateStringsArray): string {
  let text = textOf.get(strings);
  if (text === undefined) {
    text = strings[0] as string;
    for (let i = 1; i < strings.length; i++) text += `$${i}${strings[i]}`;
    textOf.set(strings, text);
  }
  return text;
}

export function sql<Row = unknown>(
  strings: TemplateStringsArray,
  ...substitutions: readonly (SqlValue | Sql)[]
): Sql<Row> {
  assert(Array.isArray(strings.raw), 'sql is a template tag: sql`select …`');
  const query = substitutions.some(isSql)
    ? splice(strings, substitutions)
    : { text: plainText(strings), values: substitutions as readonly SqlValue[] };
  made.add(query);
  return query as Sql<Row>;
}

function splice(strings: TemplateStringsArray, substitutions: readonly (SqlValue | Sql)[]): Sql {
  const values: SqlValue[] = [];
  let text = strings[0] as string;
  substitutions.forEach((substitution, i) => {
    if (isSql(substitution)) {
      const offset = values.length;
      text += substitution.text.replaceAll(/\$(\d+)/g, (_, n: string) => `$${Number(n) + offset}`);
      values.push(...substitution.values);
    } else {
      values.push(substitution);
      text += `$${values.length}`;
    }
    text += strings[i + 1];
  });
  return { text, values };
}

/** Nothing, for a fragment that is sometimes absent. */
export const nothing: Sql = sql``;

/**
 * A name from the program (a schema, a table), never from input: refused unless it is a plain lower-case identifier.
 */
export function identifier(name: string): Sql {
  assert.match(name, /^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$/, `not an SQL identifier: ${name}`);
  const query = { text: name, values: [] };
  made.add(query);
  return query;
}

const NAMES_MAX = 4096;
const names = new Map<string, string>();

/** The name under which a text is prepared; undefined when there are too many texts to prepare more. */
export function statementName(query: Sql): string | undefined {
  assert(isSql(query), 'queries are made by the sql tag');
  const known = names.get(query.text);
  if (known !== undefined) return known;
  if (names.size >= NAMES_MAX) return undefined;
  const name = `q_${createHash('sha256').update(query.text).digest('base64url').slice(0, 20)}`;
  names.set(query.text, name);
  return name;
}
