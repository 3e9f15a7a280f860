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
const common = { access: 'shop:write' } as const;

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
  headers: { 'Accept-Language': Type.String({ description: 'Of the texts.' }) },
  replies: { 200: Type.Array(Item) },
  replyHeaders: { 'Content-Language': Type.String({ description: 'Theirs.' }) },
  errors: [errors.item_missing],
});

const showItem: RawShape = {
  ...common,
  method: 'GET',
  path: '/item/:id',
  access: 'public',
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
      ['header', 'Accept-Language', false, 'Of the texts.', undefined],
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

  test('names the permission that each route needs; what is public needs none, and no key', () => {
    const needs = operation('/v1/items', 'post');
    assert.deepEqual([needs['x-permission'], needs.security], ['shop:write', undefined]);
    assert.match(operation('/v1/items', 'post').description, /^Needs `shop:write`, which every key has\./);
    const open = { ...readItem, access: 'public', consistency: 'session' };
    const shown = made(part([open])).paths['/v1/items/{id}']?.get;
    assert.deepEqual([shown?.['x-permission'], shown?.security], [undefined, []]);
    assert.match(shown?.description ?? '', /^Anyone may ask, without a key\./);
    assert(!('401' in (shown?.responses ?? {})) && !('429' in (shown?.responses ?? {})));
    assert(
      !shown?.parameters?.some(({ name }) => /session/i.test(name)),
      'there is no session to go on with',
    );
  });

  test('tells of versions: headers, 304 for a reader, 412 and 400', () => {
    const read = { ...readItem, precondition: 'version' };
    const change = { ...readItem, id: 'changeItem', method: 'PATCH', precondition: 'version' };
    const remove = { ...change, id: 'removeItem', method: 'DELETE', replies: { 204: null } };
    const paths = made(part([read, change, remove])).paths['/v1/items/{id}'] ?? {};
    const codes = (method: string, status: string) =>
      paths[method]?.responses[status]?.content?.['application/problem+json']?.schema.allOf?.[1]?.properties
        ?.code?.enum;
    for (const method of ['get', 'patch', 'delete']) {
      const taken = (paths[method]?.parameters ?? []).map(({ name }) => name);
      assert(taken.includes('If-Match') && taken.includes('If-None-Match'), method);
      assert.deepEqual(codes(method, '412'), ['precondition_failed'], method);
      assert(codes(method, '400')?.includes('precondition_malformed'), method);
    }
    const tagged = (method: string, status: string) =>
      Object.keys(paths[method]?.responses[status]?.headers ?? {}).includes('ETag');
    assert(
      tagged('get', '200') && tagged('get', '304') && tagged('patch', '200') && !tagged('delete', '204'),
    );
    assert(!('304' in (paths.patch?.responses ?? {})));
    assert(!('412' in operation('/v1/items/{id}', 'get').responses));
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

  test('a route that does not say who may ask, or asks for what is not its own', () => {
    for (const access of [
      undefined,
      null,
      '',
      'key',
      'anyone',
      'shop',
      'shop:',
      'Shop:write',
      'market:write',
      7,
    ]) {
      const message =
        /^shop: GET .*: its access is ".*"; allowed is public, or a permission such as shop:write$/;
      refused([part([{ ...readItem, access }])], message);
      refused([part([], [{ ...showItem, access: access as 'public' }])], message);
    }
    checkParts([part([], [{ ...showItem, access: 'shop:read' }])]);
  });

  test('what only types would say to a route', () => {
    refused(
      [part([{ ...readItem, whenPartitioned: { staleMsMax: 1 } }])],
      /without the database a route refuses/,
    );
    refused(
      [part([{ ...readItem, precondition: 'etag' }])],
      /its precondition is "etag"; allowed is version$/,
    );
    refused([part([{ ...addItem, access: 'public' }])], /in nobody's name, so no answer is kept/);
    checkParts([part([{ ...addItem, access: 'public', idempotency: 'natural' }])]);
    checkParts([part([], [{ ...showItem, whenPartitioned: { staleMsMax: 1 } }])]);
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
    const open = { ...readItem, access: 'public' };
    const other = { ...open, id: 'other', path: '/v1/items/:item' };
    refused(
      [part([readItem]), part([other], [], 'market')],
      /^shop and market both have GET \/v1\/items\/:item$/,
    );
    refused(
      [part([readItem]), part([{ ...open, path: '/v1/things' }], [], 'market')],
      /^shop and market both have an operation readItem$/,
    );
  });
});
