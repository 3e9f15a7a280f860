import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type from 'typebox';
import { deprecationHeaders } from './deprecation.ts';
import { type CallContext, defineRoute, handleRoute } from './route.ts';
import { defineStep, handleOlder, olderVersion } from './versions.ts';

const Name = Type.Object({ first: Type.String({ minLength: 1 }), last: Type.String() });
const Person = Type.Object({ id: Type.String(), first: Type.String(), last: Type.String() });
const OldName = Type.Object({ name: Type.String() });
const OldPerson = Type.Object({ id: Type.String(), name: Type.String() });
const Filter = Type.Object({ sort: Type.Optional(Type.String()) });
const OldFilter = Type.Object({ order: Type.Optional(Type.String()) });

const newer = defineRoute({
  method: 'PUT',
  path: '/v2/people/:id',
  id: 'putPerson',
  summary: 'Put a person',
  access: 'people:write',
  params: Type.Object({ id: Type.String() }),
  query: Filter,
  body: Name,
  replies: { 200: Person, 204: null },
});
const toName = defineStep(OldName, Name, ({ name }) => {
  const [first = '', last = ''] = name.split(' ');
  return { first, last };
});
const toOldPerson = defineStep(Person, OldPerson, ({ id, first, last }) => ({
  id,
  name: `${first} ${last}`,
}));
const toFilter = defineStep(OldFilter, Filter, ({ order }) => (order === undefined ? {} : { sort: order }));
const declared = {
  path: '/v1/people/:id',
  id: 'putPersonByName',
  query: toFilter,
  body: toName,
  replies: { 200: toOldPerson },
  deprecated: { since: '2026-12-01' },
} as const;

const older = olderVersion(newer, declared);
const route = handleRoute(newer, async ({ params: { id }, query, body }) =>
  body.first === 'Nobody'
    ? { status: 204 }
    : { status: 200, body: { id, ...body, ...(query.sort ? { last: query.sort } : {}) } },
);
const call = (name: string, order?: string) =>
  handleOlder(older, route).handle(
    {
      params: { id: '7' },
      query: order === undefined ? {} : { order },
      body: { name },
      headers: {},
      preconditions: undefined,
    },
    {} as CallContext,
  );

test('an older version has the shape of the newer but for what is declared', () => {
  const { shape } = older;
  assert.deepEqual(
    [shape.path, shape.id, shape.method, shape.summary],
    ['/v1/people/:id', 'putPersonByName', 'PUT', 'Put a person'],
  );
  assert.equal(shape.body, OldName);
  assert.equal(shape.query, OldFilter);
  assert.deepEqual(shape.replies, { 200: OldPerson, 204: null });
  assert.deepEqual(shape.deprecated, { since: '2026-12-01' });
});

test('what it takes and answers goes through the steps; an answer without one stays', async () => {
  assert.deepEqual(await call('Ada Lovelace'), { status: 200, body: { id: '7', name: 'Ada Lovelace' } });
  assert.deepEqual(await call('Ada x', 'Byron'), { status: 200, body: { id: '7', name: 'Ada Byron' } });
  assert.deepEqual(await call('Nobody'), { status: 204 });
});

test('what the newer version does not allow is refused, by its names', async () => {
  await assert.rejects(
    call(' Lovelace'),
    (error: { code?: string; status?: number; errors?: { pointer: string }[] }) => {
      assert.deepEqual(
        [error.code, error.status, error.errors?.[0]?.pointer],
        ['version_unfit', 422, '/first'],
      );
      return true;
    },
  );
});

test('steps that lead elsewhere, other parameters and another route are mistakes of the program', () => {
  assert.throws(() => olderVersion(newer, { ...declared, path: '/v1/people' }), /differ in parameters/);
  const other = defineStep(OldName, Type.Object({ first: Type.String(), last: Type.String() }), toName.take);
  assert.throws(() => olderVersion(newer, { ...declared, body: other as never }), /body leads elsewhere/);
  assert.throws(
    () => olderVersion(newer, { ...declared, replies: { 201: toOldPerson } }),
    /reply 201 begins elsewhere/,
  );
  const twin = handleRoute({ ...newer }, async () => ({ status: 204 }));
  assert.throws(() => handleOlder(older, twin), /not of putPerson/);
});

test('the end of a route as RFC 9745 and RFC 8594 write it', () => {
  assert.deepEqual(deprecationHeaders({ since: '2023-06-30' }), { deprecation: '@1688083200' });
  assert.deepEqual(
    deprecationHeaders({ since: '2026-12-01', sunset: '2027-12-01', link: 'https://example.com/a' }),
    {
      deprecation: '@1796083200',
      sunset: 'Wed, 01 Dec 2027 00:00:00 GMT',
      link: '<https://example.com/a>; rel="deprecation", <https://example.com/a>; rel="sunset"',
    },
  );
  for (const [since, sunset] of [
    ['2026-02-30', undefined],
    ['tomorrow', undefined],
    ['2026-12-01T00:00:00Z', undefined],
    ['2026-12-01', '2026-11-30'],
  ] as const) {
    const given = sunset === undefined ? { since } : { since, sunset };
    assert.throws(() => deprecationHeaders(given), { name: 'AssertionError' }, since);
  }
});
