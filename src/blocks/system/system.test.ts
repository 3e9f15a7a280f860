import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type, { type TObject } from 'typebox';
import { optionsSchema } from '#base/options';
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
    replies: { 200: Type.Object({ text: Type.String() }) },
    consistency: 'strong',
    whenPartitioned: 'refuse',
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
