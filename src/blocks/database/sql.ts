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

/**
 * What a query made here has: the pieces of its text between the values, one more than there are values. No input has a
 * symbol. (In a `WeakMap` each query cost an entry.)
 */
const PIECES = Symbol('pieces');

type Made = Sql & { readonly [PIECES]: readonly string[] };

function isSql(value: unknown): value is Made {
  return typeof value === 'object' && value !== null && PIECES in value;
}

/** The text of a template whose substitutions are all values is the same at each call: built once. */
const textOf = new WeakMap<TemplateStringsArray, string>();

/**
 * The tag for all SQL: sql`select name from t where id = ${id}`. Values become parameters; an `sql` fragment is spliced
 * in. Anything else (undefined, an object that the tag has not made) is a programmer error.
 */
export function sql<Row = unknown>(
  strings: TemplateStringsArray,
  ...substitutions: readonly (SqlValue | Sql)[]
): Sql<Row> {
  assert(Array.isArray(strings?.raw), 'sql is a template tag: sql`select …`');
  const query = substitutions.some(isSql)
    ? splice(strings, substitutions)
    : plain(strings, substitutions as readonly SqlValue[]);
  return query as Sql<Row>;
}

function plain(strings: TemplateStringsArray, values: readonly SqlValue[]): Sql {
  values.forEach(assertValue);
  let text = textOf.get(strings);
  if (text === undefined) {
    text = joinPieces(strings);
    textOf.set(strings, text);
  }
  return { text, values, [PIECES]: strings } as Made;
}

/** Fragments are kept in pieces, not renumbered by pattern: a `$1` in a quoted string of theirs is left alone. */
function splice(strings: TemplateStringsArray, substitutions: readonly (SqlValue | Sql)[]): Sql {
  const values: SqlValue[] = [];
  const pieces = [''];
  const append = (text = '') => pieces.push(`${pieces.pop()}${text}`);
  strings.forEach((string, i) => {
    append(string);
    const substitution = substitutions[i];
    if (isSql(substitution)) {
      const [head, ...rest] = substitution[PIECES];
      append(head);
      pieces.push(...rest);
      values.push(...substitution.values);
    } else if (i < substitutions.length) {
      assertValue(substitution);
      pieces.push('');
      values.push(substitution);
    }
  });
  return { text: joinPieces(pieces), values, [PIECES]: pieces } as Made;
}

function joinPieces(pieces: readonly string[]): string {
  let text = pieces[0] as string;
  for (let i = 1; i < pieces.length; i++) {
    assert(!/^\w/.test(pieces[i] as string), `a letter or digit follows the value in: ${text}…${pieces[i]}`);
    text += `$${i}${pieces[i]}`;
  }
  return text;
}

function assertValue(value: unknown): asserts value is SqlValue {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
      return;
    default:
  }
  if (Array.isArray(value)) return value.forEach(assertValue);
  const fits = value === null || value instanceof Date || value instanceof Uint8Array;
  assert(fits, `neither an SQL value nor made by the sql tag: ${typeof value}`);
}

/** Nothing, for a fragment that is sometimes absent. */
export const nothing: Sql = sql``;

/**
 * A name from the program (a schema, a table), never from input: refused unless it is a plain lower-case identifier.
 */
export function identifier(name: string): Sql {
  assert.match(name, /^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$/, `not an SQL identifier: ${name}`);
  return { text: name, values: [], [PIECES]: [name] } as Made;
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
