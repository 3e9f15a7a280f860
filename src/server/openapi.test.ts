import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Type, { type TSchema } from 'typebox';
import { defineErrors } from '#base/errors';
import { defineRoute, type RawShape, type RouteShape } from '#blocks/system';
import { checkParts } from './api-parts.ts';
import { type ApiPart, createOpenApi, type Operation } from './openapi.ts';

const errors = defineErrors('shop', {
  item_sold: { status: 409, title: 'The item is sold', doc: 'Somebody was faster.' },
  item_missing: { status: 404, title: 'There is no such item', doc: 'None has the id.' },
});

const Item = Type.Object(
  {
    id: Type.String({ examples: ['7'] }),
    size: Type.Union([Type.Literal(1), Type.Literal(2)], { description: 'How big.' }),
    note: Type.Union([Type.String(), Type.Null()]),
  },
  { title: 'Item' },
);
const common = { consistency: 'strong', whenPartitioned: 'refuse' } as const;

const addItem = defineRoute({
  ...common,
  method: 'POST',
  idempotency: 'transaction',
  path: '/v1/items',
  id: 'addItem',
  summary: 'Add an item',
  body: Item,
  replies: { 201: Item },
  errors: [errors.item_sold],
});

const readItem = defineRoute({
  ...common,
  method: 'GET',
  path: '/v1/items/:id',
  id: 'readItem',
  summary: 'Read an item',
  params: Type.Object({ id: Type.String({ description: 'Its id.', examples: ['7'] }) }),
  query: Type.Object({
    page: Type.Optional(Type.Integer({ minimum: 1, default: 1, description: 'Which page.' })),
  }),
  headers: { 'If-None-Match': Type.String({ description: 'What is known.' }) },
  replies: { 200: Type.Array(Item) },
  replyHeaders: { ETag: Type.String({ description: 'Its version.' }) },
  errors: [errors.item_missing],
});

const showItem: RawShape = {
  ...common,
  method: 'GET',
  path: '/item/:id',
  access: 'anyone',
  id: 'showItem',
  summary: 'Show an item',
  params: Type.Object({ id: Type.String({ description: 'Its id.' }) }),
  replies: { 200: null },
};

const part = (routes: unknown[], raw: RawShape[] = [], name = 'shop'): ApiPart => ({
  name,
  summary: 'Sells items.',
  routes: routes as RouteShape[],
  raw,
});

const made = (...parts: ApiPart[]) => createOpenApi({ publicUrl: 'https://shop.example' }, parts);
const document = made(part([addItem, readItem], [showItem]));

function operation(path: string, method: string): Operation {
  const found = document.paths[path]?.[method];
  assert(found, `${method} ${path}`);
  return found;
}

describe('the OpenAPI document', () => {
  test('names schemas once, and refers to them', () => {
    const ref = { $ref: '#/components/schemas/Item' };
    assert.deepEqual(operation('/v1/items', 'post').requestBody?.content['application/json'].schema, ref);
    assert.deepEqual(
      operation('/v1/items/{id}', 'get').responses['200']?.content?.['application/json']?.schema,
      {
        type: 'array',
        items: ref,
      },
    );
    assert.deepEqual(Object.keys(document.components.schemas).sort(), ['Item', 'Problem']);
  });

  test('writes literals as an enumeration, and null as a type', () => {
    const { properties } = document.components.schemas.Item ?? {};
    assert.deepEqual(properties?.size, { type: 'integer', enum: [1, 2], description: 'How big.' });
    assert.deepEqual(properties?.note, { type: ['string', 'null'] });
  });

  test('two different schemas of one name are refused, two equal ones are one', () => {
    const shape = (path: string, id: string, body: TSchema) =>
      ({ ...addItem, path, id, replies: { 201: body } }) as unknown;
    const twin = Type.Object({ a: Type.String() }, { title: 'Thing' });
    const equal = Type.Object({ a: Type.String() }, { title: 'Thing' });
    const other = Type.Object({ a: Type.Integer() }, { title: 'Thing' });
    made(part([shape('/v1/a', 'a', twin), shape('/v1/b', 'b', equal)]));
    assert.throws(() => made(part([shape('/v1/a', 'a', twin), shape('/v1/b', 'b', other)])), {
      code: 'system_invalid',
      message: 'two different schemas have the title Thing',
    });
  });

  test('lists each status of an error with its codes, the own first', () => {
    const { responses } = operation('/v1/items', 'post');
    const codes = (status: string) =>
      responses[status]?.content?.['application/problem+json']?.schema.allOf?.[1]?.properties?.code?.enum;
    assert.deepEqual(codes('409'), ['item_sold', 'idempotency_in_progress']);
    assert.deepEqual(codes('401'), ['unauthenticated']);
    assert.match(responses['409']?.description ?? '', /^- `item_sold`: The item is sold\n/);
    assert.equal(responses.default, undefined, 'it would make every code any string');
    for (const status of ['400', '413', '415', '500', '503', '504'])
      assert(codes(status), `nothing is said of ${status}`);
    const read = Object.keys(operation('/v1/items/{id}', 'get').responses);
    assert(!read.includes('415') && read.includes('404'));
  });

  test('describes parameters, with examples', () => {
    const told = operation('/v1/items/{id}', 'get').parameters?.map((each) => [
      each.in,
      each.name,
      each.required,
      each.description,
      each.example,
    ]);
    assert.deepEqual(told, [
      ['path', 'id', true, 'Its id.', '7'],
      ['query', 'page', false, 'Which page.', undefined],
      ['header', 'If-None-Match', false, 'What is known.', undefined],
    ]);
  });

  test('gives the plainest example that fits', () => {
    const body = operation('/v1/items', 'post').requestBody?.content['application/json'];
    assert.deepEqual(body?.example, { id: '7', size: 1, note: 'text' });
    const patterned = Type.Object({ code: Type.String({ pattern: '^[0-9]{4}$' }) });
    const { paths } = made(part([{ ...addItem, body: patterned }]));
    const without = paths['/v1/items']?.post?.requestBody?.content['application/json'];
    assert(without !== undefined && !('example' in without), 'no example is better than a wrong one');
  });

  test('has raw routes too, which need no key', () => {
    const shown = operation('/item/{id}', 'get');
    assert.deepEqual(shown.security, []);
    assert(!('401' in shown.responses));
    assert.deepEqual(document.security, [{ key: [] }]);
  });

  test('describes its tags', () => {
    assert.deepEqual(document.tags, [{ name: 'shop', description: 'Sells items.' }]);
    assert.deepEqual(operation('/v1/items', 'post').tags, ['shop']);
  });
});

describe('what cannot be served is refused', () => {
  const refused = (parts: ApiPart[], message: RegExp) =>
    assert.throws(() => checkParts(parts), { code: 'system_invalid', message });

  test('a route outside of the API, a raw one inside of the server’s own', () => {
    checkParts([part([addItem, readItem], [showItem])]);
    for (const path of ['/items', 'items', '/v1', '/v10/items', '']) {
      refused(
        [part([{ ...addItem, path }])],
        /^shop: POST .*: the path of a route starts with a version, such as \/v1\/$/,
      );
    }
    checkParts([
      part(
        [],
        [
          { ...showItem, path: '/v1/items/:id' },
          { ...showItem, path: '/v2/items/:id', id: 'two' },
        ],
      ),
    ]);
    for (const path of ['/', '/v1', '/v1/', '/docs/items', '/-/items', '/console', '/metrics', 'items']) {
      refused([part([], [{ ...showItem, path: path as '/' }])], /the path is one of the server's own$/);
    }
  });

  test('an end that is no day, or comes before its beginning', () => {
    for (const deprecated of [{ since: 'soon' }, { since: '2026-12-01', sunset: '2026-11-01' }])
      refused([part([{ ...addItem, deprecated }])], /^shop: POST \/v1\/items: deprecated\./);
  });

  test('a method or an id that there is not', () => {
    refused([part([{ ...addItem, method: 'QUERY' }])], /the method is none of GET, POST/);
    refused([part([{ ...addItem, id: undefined }])], /its id is "undefined"/);
  });

  test('the same address or the same id twice, with both systems', () => {
    const other = { ...readItem, id: 'other', path: '/v1/items/:item' };
    refused(
      [part([readItem]), part([other], [], 'market')],
      /^shop and market both have GET \/v1\/items\/:item$/,
    );
    refused(
      [part([readItem]), part([{ ...readItem, path: '/v1/things' }], [], 'market')],
      /^shop and market both have an operation readItem$/,
    );
  });
});
