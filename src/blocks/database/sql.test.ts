import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Queryable } from './queryable.ts';
import { identifier, nothing, type Sql, type SqlValue, sql, statementName } from './sql.ts';

const parts = ({ text, values }: Sql) => ({ text, values });

test('values become parameters, in order', () => {
  const query = sql`select ${1}, ${'a'} from t where x = ${null} and y = any(${['b', 'c']})`;
  assert.deepEqual(parts(query), {
    text: 'select $1, $2 from t where x = $3 and y = any($4)',
    values: [1, 'a', null, ['b', 'c']],
  });
  assert.deepEqual(parts(sql`select 1`), { text: 'select 1', values: [] });
});

test('fragments are spliced in, however deep, and numbered anew', () => {
  const since = (id: string) => sql`and id > ${id}`;
  const filter = sql`where a = ${1} ${since('7')}`;
  const query = sql`select ${'x'} from t ${filter} ${nothing} limit ${10}`;
  assert.deepEqual(parts(query), {
    text: 'select $1 from t where a = $2 and id > $3  limit $4',
    values: ['x', 1, '7', 10],
  });
  assert.deepEqual(parts(sql`${filter}`), parts(filter));
  assert.deepEqual(parts(sql`${filter} ${filter}`).values, [1, '7', 1, '7']);
});

test('what only looks like a placeholder is left alone', () => {
  const price = sql`note = '$1 off' and a = ${1}`;
  assert.equal(sql`b = ${2} and ${price}`.text, "b = $1 and note = '$1 off' and a = $2");
});

test('identifiers are plain names, and nothing else', () => {
  assert.equal(sql`select a from ${identifier('links.links')}`.text, 'select a from links.links');
  for (const bad of ['', 'A', 'a b', 'a"', 'a;drop', '1a', 'a.b.c', 'a.', `${'a'.repeat(64)}`, 'é', 'a\n'])
    assert.throws(() => identifier(bad), { code: 'ERR_ASSERTION' }, bad);
});

test('at run time too: no strings, no forged queries, no other objects, no undefined', () => {
  const call = sql as unknown as (...args: unknown[]) => Sql;
  assert.throws(() => call('select 1'), { code: 'ERR_ASSERTION' });
  assert.throws(() => call(['select 1']), { code: 'ERR_ASSERTION' });
  assert.throws(() => call(), { code: 'ERR_ASSERTION' });
  const asValue = (value: unknown) => sql`select ${value as SqlValue}`;
  for (const bad of [
    undefined,
    {},
    { text: 'now()', values: [] },
    [undefined],
    () => 1,
    Symbol('s'),
    new Map(),
  ])
    assert.throws(() => asValue(bad), { code: 'ERR_ASSERTION' });
  assert.throws(() => sql`select ${asValue(1)}, ${{} as SqlValue}`, { code: 'ERR_ASSERTION' });
  assert.throws(() => statementName({ text: 'select 1', values: [] }), { code: 'ERR_ASSERTION' });
});

test('a value that its neighbours would run into is refused', () => {
  assert.throws(() => sql`limit ${1}0`, /a letter or digit follows the value/);
  assert.throws(() => sql`select ${1}${sql`0`}`, /a letter or digit follows the value/);
});

test('a plain string does not compile where a query belongs', () => {
  const queryable = {} as Queryable;
  const neverCalled = () => {
    // @ts-expect-error: only the tag makes a query
    void queryable.rows('select 1');
    // @ts-expect-error: and a template without the tag is a string
    void queryable.run(`delete from t where id = ${1}`);
    // @ts-expect-error: the tag is not a function of a string
    sql('select 1');
    // @ts-expect-error: an object is no value
    sql`select ${{ a: 1 }}`;
    // @ts-expect-error: neither is undefined
    sql`select ${undefined}`;
  };
  assert(neverCalled);
});

test('a name stands for one text, whatever the values', () => {
  const query = (n: number) => sql`select ${n}::integer as named`;
  assert.equal(statementName(query(1)), statementName(query(2)));
  assert.notEqual(statementName(query(1)), statementName(sql`select ${1}::bigint as named`));
  assert.match(statementName(query(1)) ?? '', /^q_[\w-]{20}$/);
});

/** A query with its values, as it should come out: pieces of text around holes. */
type Tree = { pieces: string[]; holes: (SqlValue | Tree)[] };

const piece = fc
  .array(fc.constantFrom(' ', 'a ', '(', ')', ', ', "'$9' ", '= ', '"x" '), { maxLength: 3 })
  .map((words) => ` ${words.join('')}`);
const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string()));
const { tree } = fc.letrec<{ tree: Tree; hole: SqlValue | Tree }>((tie) => ({
  hole: fc.oneof({ depthSize: 'small', withCrossShrink: true }, value, tie('tree')),
  tree: fc.array(tie('hole'), { maxLength: 4 }).chain((holes) =>
    fc.record({
      pieces: fc.array(piece, { minLength: holes.length + 1, maxLength: holes.length + 1 }),
      holes: fc.constant(holes),
    }),
  ),
}));

const isTree = (hole: SqlValue | Tree): hole is Tree =>
  typeof hole === 'object' && hole !== null && 'pieces' in hole;

function build({ pieces, holes }: Tree): Sql {
  const strings = Object.assign([...pieces], { raw: pieces });
  return sql(strings, ...holes.map((hole) => (isTree(hole) ? build(hole) : hole)));
}

/** The same, by a way that knows no fragments: one flat list of texts and values. */
function flatten({ pieces, holes }: Tree): (string | { value: SqlValue })[] {
  return pieces.flatMap((text, i) => {
    const hole = holes[i];
    if (hole === undefined) return [text];
    return [text, ...(isTree(hole) ? flatten(hole) : [{ value: hole }])];
  });
}

test('property: placeholders are dense from $1, one for each value, wherever fragments were spliced', () => {
  fc.assert(
    fc.property(tree, (tree) => {
      const query = build(tree);
      let count = 0;
      const values: SqlValue[] = [];
      const expected = flatten(tree).map((part) => {
        if (typeof part === 'string') return part;
        values.push(part.value);
        count += 1;
        return `$${count}`;
      });
      assert.equal(query.text, expected.join(''));
      assert.deepEqual(query.values, values);
      const placeholders = query.text.replaceAll("'$9'", '').match(/\$\d+/g) ?? [];
      assert.deepEqual(
        placeholders,
        values.map((_, i) => `$${i + 1}`),
      );
    }),
    { numRuns: 500 },
  );
});
