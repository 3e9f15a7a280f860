/**
 * Lists by keyset: a page begins after the keys of the last row of the one before, and not at a number of rows. Rows that
 * come and go meanwhile move nothing, so an item that is there all along is on one page, once. That holds as long as
 * the keys of a row do not change, are not null, and no two rows have the same; let the last key be an id.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type Sql, sql } from '#blocks/database';
import { assertKeys, decodeCursor, encodeCursor } from './cursor.ts';
import { KEY_FORMS, type KeyType } from './list-key.ts';
import { PAGE_LIMITS } from './options.ts';
import type { Page, PageQuery } from './page.ts';

export interface ListKey {
  /** An expression over the rows, such as a column. */
  column: Sql;
  type: KeyType;
}

/** A row with what its cursor is made of: selected with the rest. */
export type Keyed<Row> = Row & { keys: (string | null)[] };

/** The parts of a list's statement: `select …, ${keys} from … where … and ${after} ${orderAndLimit}`. */
export interface Keyset {
  /** A column of its own, called `keys`. */
  keys: Sql;
  /** A condition: past the page before. */
  after: Sql;
  orderAndLimit: Sql;
}

export interface ListOrder {
  /**
   * One page. One row more than asked for is fetched: it tells whether the list goes on.
   * @throws cursor_invalid
   */
  page<Row, Item>(
    query: PageQuery,
    fetch: (keyset: Keyset) => Promise<readonly Keyed<Row>[]>,
    present: (row: Keyed<Row>) => Item,
  ): Promise<Page<Item>>;
}

const KEYS_MAX = 2;

/** Short, and another one for another list, direction, column or type. */
function tagOf(list: string, direction: string, keys: readonly ListKey[]): string {
  const parts = keys.map(({ column, type }) => [column.text, type]);
  return createHash('sha256')
    .update(JSON.stringify([list, direction, parts]))
    .digest('base64url')
    .slice(0, 8);
}

/** `a, b`. */
function joined(parts: readonly Sql[]): Sql {
  return parts.reduce((all, part) => sql`${all}, ${part}`);
}

/**
 * An order in which a list can be read.
 * @param list its name, such as `orders`
 * @param keys one or two; both go the same way, so that one comparison of rows, and one index, does for both
 */
export function listOrder(
  list: string,
  direction: 'asc' | 'desc',
  keys: readonly [ListKey] | readonly [ListKey, ListKey],
): ListOrder {
  assert(keys.length >= 1 && keys.length <= KEYS_MAX, `a list is ordered by 1 or ${KEYS_MAX} keys`);
  const tag = tagOf(list, direction, keys);
  const types = keys.map(({ type }) => type);
  const columns = joined(keys.map(({ column }) => column));
  const texts = joined(keys.map(({ column, type }) => KEY_FORMS[type].write(column)));
  const way = direction === 'asc' ? sql`asc` : sql`desc`;
  const order = joined(keys.map(({ column }) => sql`${column} ${way}`));
  const beyond = direction === 'asc' ? sql`>` : sql`<`;

  function after(cursor: string | undefined): Sql {
    if (cursor === undefined) return sql`true`;
    const values = decodeCursor(tag, types, cursor).map((text, at) =>
      KEY_FORMS[types[at] as KeyType].read(text),
    );
    return sql`(${columns}) ${beyond} (${joined(values)})`;
  }

  return {
    async page({ limit = PAGE_LIMITS.limitDefault, cursor }, fetch, present) {
      const orderAndLimit = sql`order by ${order} limit ${limit + 1}`;
      const rows = await fetch({
        keys: sql`array[${texts}] as keys`,
        after: after(cursor),
        orderAndLimit,
      });
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      let nextCursor: string | null = null;
      if (rows.length > limit && last) {
        assertKeys(list, types, last.keys);
        nextCursor = encodeCursor(tag, last.keys as string[]);
      }
      return { items: page.map(present), nextCursor };
    },
  };
}
