import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type, { type TObject } from 'typebox';
import { optionsSchema } from '#base/options';
import { completeShape } from './defaults.ts';
import { systemErrors } from './errors.ts';
import { pageOf, pageQuery } from './page.ts';
import { defineRoute, handleRoute } from './route.ts';
import { defineSystem } from './system.ts';

const create = () => ({ routes: [] });

test('a definition is kept as given, frozen', () => {
  const definition = defineSystem({ name: 'notes', summary: 'Notes.', options: optionsSchema({}), create });
  assert(Object.isFrozen(definition));
  assert.equal(definition.name, 'notes');
});

test('names that are not a schema, or are taken, are refused', () => {
  for (const name of [
    '',
    'Notes',
    'my-notes',
    '1notes',
    'core',
    'public',
    'pg_notes',
    'http',
    'n'.repeat(50),
  ]) {
    assert.throws(() => defineSystem({ name, summary: '', options: optionsSchema({}), create }), name);
  }
});

test('a handler is typed by its shape', async () => {
  const shape = defineRoute({
    method: 'POST',
    idempotency: 'natural',
    path: '/v1/notes/:id',
    id: 'changeNote',
    summary: 'Change a note',
    params: Type.Object({ id: Type.String() }),
    query: Type.Object({ dry: Type.Optional(Type.Boolean()) }),
    body: Type.Object({ text: Type.String() }),
    access: 'notes:write',
    replies: { 200: Type.Object({ text: Type.String() }) },
  });
  const route = handleRoute(shape, async ({ params, query, body }) => {
    // @ts-expect-error: the body has no such field
    const missing: unknown = body.colour;
    assert.equal(missing, undefined);
    return { status: 200, body: { text: `${params.id} ${query.dry} ${body.text}` } };
  });
  const call = { params: { id: '1' }, query: { dry: true }, body: { text: 'x' }, headers: {} };
  const reply = await route.handle(call as never, {} as never);
  assert.deepEqual(reply.body, { text: '1 true x' });
  const paramsSchema: TObject | undefined = route.shape.params;
  assert.equal(paramsSchema, shape.params);
});

const plain = { method: 'GET', path: '/v1/notes', id: 'readNotes', summary: 'Read', replies: {} } as const;

test('a shape says only what differs from strong and refuse', () => {
  const shape = defineRoute({ ...plain, access: 'notes:read' });
  assert.deepEqual([shape.consistency, shape.whenPartitioned], ['strong', 'refuse']);
  assert.equal(defineRoute({ ...plain, access: 'public', consistency: 'eventual' }).consistency, 'eventual');
  // As a system in JavaScript may have it.
  const written = { consistency: undefined } as unknown as Parameters<typeof completeShape>[0];
  assert.deepEqual(completeShape(written), { consistency: 'strong', whenPartitioned: 'refuse' });
  const kept = { staleMsMax: 1000 };
  assert.equal(completeShape({ whenPartitioned: kept }).whenPartitioned, kept);
  // @ts-expect-error: a route serves nothing that is stale
  defineRoute({ ...plain, access: 'public', whenPartitioned: kept });
  // @ts-expect-error: it has to be said who may ask
  defineRoute(plain);
  // @ts-expect-error: neither public nor a permission
  defineRoute({ ...plain, access: 'anyone' });
});

test('what a handler is told follows from the access and the precondition of its shape', async () => {
  const open = defineRoute({ ...plain, access: 'public' });
  const told = handleRoute(open, async (call, context) => {
    // @ts-expect-error: nobody is known to call
    assert.equal(context.principal, undefined);
    // @ts-expect-error: so there is nobody to write for
    assert.equal(context.mutate, undefined);
    assert.equal(call.preconditions, undefined);
    return { status: 200 };
  });
  await told.handle({} as never, {} as never);
  const versioned = defineRoute({ ...plain, access: 'notes:read', precondition: 'version' });
  handleRoute(versioned, async ({ preconditions: { only, not } }, { principal, mutate }) => {
    assert(only && not && principal.workspaceId && mutate);
    return { status: 200, version: 1 };
  });
});

test('a list is asked for and answered in one form', () => {
  const Note = Type.Object({ id: Type.String() }, { title: 'Note' });
  const page = pageOf(Note) as unknown as Record<string, unknown>;
  assert.deepEqual([page.title, page.required], ['NotePage', ['items', 'nextCursor']]);
  assert.equal((pageOf(Type.String()) as { title?: string }).title, undefined);
  const query = pageQuery({ limitDefault: 5, limitMax: 10 }, { state: Type.Optional(Type.String()) });
  assert.deepEqual(Object.keys(query.properties).sort(), ['cursor', 'limit', 'state']);
  const { limit } = query.properties as unknown as { limit: Record<string, unknown> };
  assert.deepEqual([limit.default, limit.minimum, limit.maximum], [5, 1, 10]);
  assert.equal(systemErrors.cursor_invalid().status, 400);
});
