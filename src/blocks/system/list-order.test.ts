/**
 * Lists where they are read: in Postgres.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { type Queryable, type Sql, sql } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { KEY_FORMS, type KeyType } from './list-key.ts';
import { type Keyed, type ListKey, type ListOrder, listOrder } from './list-order.ts';

let it: TestDatabase;
let admin: Queryable;
before(async () => {
  it = await startTestDatabase();
  admin = it.admin;
  await admin.run(sql`
    create table public.items (
      list integer not null, id bigint not null, name text collate "C" not null, score float8 not null,
      made timestamptz not null, primary key (list, id)
    )`);
});

interface Item {
  id: string;
  name: string;
  score: number;
  /** Microseconds after an instant. */
  micros: number;
}

const id: ListKey = { column: sql`id`, type: 'bigint' };
const by = (column: Sql, type: KeyType): ListKey => ({ column, type });
const KEYS: readonly (readonly [ListKey] | readonly [ListKey, ListKey])[] = [
  [id],
  [by(sql`name`, 'text'), id],
  [by(sql`score`, 'number'), id],
  [by(sql`made`, 'time'), id],
  [by(sql`lower(name)`, 'text'), id],
];
const ORDERS = KEYS.flatMap((keys, at) =>
  (['asc', 'desc'] as const).map((direction) => listOrder(`items ${at}`, direction, keys)),
);

function insert(list: number, items: readonly Item[]): Promise<number> {
  const column = <K extends keyof Item>(name: K) => items.map((item) => item[name]);
  return admin.run(sql`
    insert into public.items (list, id, name, score, made)
    select ${list}::integer, id, name, score, '2026-01-01T00:00:00Z'::timestamptz + micros * interval '1 microsecond'
    from unnest(${column('id')}::bigint[], ${column('name')}::text[], ${column('score')}::float8[],
      ${column('micros')}::integer[]) as item (id, name, score, micros)
    on conflict do nothing`);
}

const remove = (list: number, ids: readonly string[]) =>
  admin.run(sql`delete from public.items where list = ${list} and id = any(${ids}::bigint[])`);

function page(order: ListOrder, list: number, query: { limit?: number; cursor?: string }) {
  return order.page(
    query,
    ({ keys, after, orderAndLimit }) =>
      admin.rows(sql<Keyed<{ id: string }>>`
        select id, ${keys} from public.items where list = ${list} and ${after} ${orderAndLimit}`),
    (row) => row.id,
  );
}

// Few different values, so that many rows have the same first key; those of a time differ by less than a millisecond.
const item = fc.record({
  id: fc.integer({ min: -40, max: 40 }).map(String),
  name: fc.constantFrom('', 'a', 'A', 'ä', 'b', "'", '😀', '\n', 'zz'),
  score: fc.constantFrom(-1.5, 0, 0.1, 1e300, 5e-324),
  micros: fc.integer({ min: 0, max: 6 }).map((step) => step * 333),
});
const change = fc.oneof(
  fc.record({ insert: fc.array(item, { maxLength: 6 }) }),
  fc.record({ remove: fc.array(fc.integer({ min: -40, max: 40 }).map(String), { maxLength: 10 }) }),
);
const history = fc.record({
  first: fc.array(item, { maxLength: 40 }),
  changes: fc.array(change, { maxLength: 12 }),
  limit: fc.integer({ min: 1, max: 7 }),
  order: fc.constantFrom(...ORDERS),
});

/** More than all that can be listed in a history. */
const ITEMS_MAX = 200;

let lists = 0;

describe('lists', () => {
  test('what comes and goes while someone pages neither hides nor repeats what was there all along', async () => {
    await fc.assert(
      fc.asyncProperty(history, async ({ first, changes, limit, order }) => {
        lists += 1;
        const list = lists;
        await insert(list, first);
        const steady = new Set(first.map((each) => each.id));
        const seen: string[] = [];
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const got = await page(order, list, { limit, ...(cursor === undefined ? {} : { cursor }) });
          assert(got.items.length > 0 || got.nextCursor === null, 'an empty page is the last');
          assert(got.items.length === limit || got.nextCursor === null, 'only the last page is short');
          seen.push(...got.items);
          assert(seen.length <= ITEMS_MAX, 'it goes on, and does not begin again');
          cursor = got.nextCursor;
          const next = changes.shift();
          if (next && 'insert' in next) await insert(list, next.insert);
          if (next && 'remove' in next) {
            await remove(list, next.remove);
            for (const gone of next.remove) steady.delete(gone);
          }
        }
        const hidden = [...steady].filter((each) => !seen.includes(each));
        assert.deepEqual(hidden, []);
        const repeated = [...steady].filter((each) => seen.indexOf(each) !== seen.lastIndexOf(each));
        assert.deepEqual(repeated, []);
      }),
      { numRuns: 150 },
    );
  });

  test('a time counts to the microsecond, and a page goes by an index', async () => {
    lists += 1;
    const list = lists;
    const micros = [5, 1, 3, 1, 999, 1000];
    await insert(
      list,
      micros.map((each, at) => ({ id: String(at), name: `n${at % 3}`, score: at / 3, micros: each })),
    );
    const byTime = listOrder('items by time', 'desc', [by(sql`made`, 'time'), id]);
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const got = await page(byTime, list, { limit: 1, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...got.items);
      assert(found.length <= micros.length, found.join());
      cursor = got.nextCursor;
    }
    assert.deepEqual(found, ['5', '4', '0', '2', '3', '1'], 'microseconds count');
    await admin.run(sql`
      insert into public.items (list, id, name, score, made)
      select ${list}::integer, i, 'n', 0, '2025-01-01T00:00:00Z'::timestamptz + i * interval '1 second'
      from generate_series(1000, 9000) as i`);
    await admin.run(sql`create index by_made on public.items (list, made, id)`);
    await admin.run(sql`analyze public.items`);
    const { nextCursor } = await page(byTime, list, { limit: 2 });
    let plan = '';
    await byTime.page(
      { limit: 2, cursor: nextCursor as string },
      async ({ keys, after, orderAndLimit }) => {
        const rows = await admin.rows<Record<string, string>>(sql`
          explain select id, ${keys} from public.items where list = ${list} and ${after} ${orderAndLimit}`);
        plan = rows.map((row) => Object.values(row)[0]).join('\n');
        return [];
      },
      () => undefined,
    );
    assert.match(
      plan,
      /Index (?:Only )?Scan Backward using by_made[\s\S]*Index Cond: .*ROW\(made, id\) < ROW\(/,
    );
  });

  test('a cursor of another list, or of another order of it, is refused', async () => {
    lists += 1;
    await insert(
      lists,
      [1, 2, 3].map((each) => ({ id: String(each), name: 'a', score: 1, micros: 1 })),
    );
    const cursors = await Promise.all(ORDERS.map((order) => page(order, lists, { limit: 1 })));
    for (const [of, { nextCursor }] of cursors.entries()) {
      for (const [at, order] of ORDERS.entries()) {
        const again = page(order, lists, { limit: 1, cursor: nextCursor as string });
        if (at === of) assert.equal((await again).items.length, 1);
        else await assert.rejects(again, { code: 'cursor_invalid' });
      }
    }
    const names = [...['a', 'b'].map((name) => listOrder(name, 'asc', [id]))] as [ListOrder, ListOrder];
    const { nextCursor } = await page(names[0], lists, { limit: 1 });
    await assert.rejects(page(names[1], lists, { cursor: nextCursor as string }), { code: 'cursor_invalid' });
  });

  test('whatever key a cursor may hold, Postgres reads it', async () => {
    const keys = fc.oneof(
      fc.string({ unit: 'binary' }).map((text) => ['text', text] as const),
      fc.bigInt().map((value) => ['bigint', String(value)] as const),
      fc.double().map((value) => ['number', String(value)] as const),
      fc
        .tuple(
          fc.integer({ min: 0, max: 9999 }),
          fc.integer({ min: 0, max: 13 }),
          fc.integer({ min: 0, max: 32 }),
        )
        .map(([year, month, day]) => {
          const [y, m, d] = [
            String(year).padStart(4, '0'),
            String(month).padStart(2, '0'),
            String(day).padStart(2, '0'),
          ];
          return ['time', `${y}-${m}-${d}T23:59:59.999999Z`] as const;
        }),
    );
    await fc.assert(
      fc.asyncProperty(keys, async ([type, text]) => {
        const { fits, read, write } = KEY_FORMS[type];
        if (!fits(text) || text.includes('\0')) return;
        const row = await admin.first<{ text: string }>(sql`select ${write(read(text))} as text`);
        const again = row?.text ?? '';
        if (type === 'number') assert.equal(Number(again), Number(text) + 0);
        else assert.equal(again, text);
        assert(fits(again));
      }),
      { numRuns: 300 },
    );
  });

  test('a key that is null, or too long, is a defect of the list and not a cursor', async () => {
    lists += 1;
    const list = lists;
    await insert(
      list,
      ['x'.repeat(1001), 'y'].map((name, at) => ({ id: String(at), name, score: 1, micros: 1 })),
    );
    for (const column of [sql`name`, sql`nullif(score, 1)::text`]) {
      const order = listOrder('items', 'asc', [by(column, 'text'), id]);
      await assert.rejects(page(order, list, { limit: 1 }), /has a key that no cursor can hold/);
    }
  });
});
