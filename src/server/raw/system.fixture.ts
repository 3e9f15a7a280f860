/**
 * A system whose routes are raw: what one of them may do, and what may go wrong in it.
 */
import Type from 'typebox';
import { defineErrors } from '#base/errors';
import { optionsSchema } from '#base/options';
import { defineRaw, defineRoute, defineSystem, handleRaw, handleRoute, PASS } from '#blocks/system';

const errors = defineErrors('rawtest', {
  shelf_empty: { status: 409, title: 'The shelf is empty', doc: 'Nothing is on it.' },
});

const common = {
  method: 'GET',
  replies: { 200: null },
  consistency: 'eventual',
  whenPartitioned: 'refuse',
} as const;
const Shelf = Type.Object({ shelf: Type.String() });
const Box = Type.Object({ size: Type.Integer({ minimum: 1 }) }, { additionalProperties: false });

const open = defineRaw({
  ...common,
  path: '/shelves/:shelf',
  id: 'openShelf',
  summary: 'Look at a shelf',
  access: 'public',
  params: Shelf,
  errors: [errors.shelf_empty],
  deprecated: { since: '2026-01-01' },
});
const closed = defineRaw({
  ...common,
  path: '/v1/shelves/:shelf',
  id: 'readShelf',
  summary: 'Read a shelf',
  access: 'rawtest:read',
  params: Shelf,
});
const counts = defineRoute({
  ...common,
  path: '/v1/shelves/counts',
  id: 'countShelves',
  summary: 'Count shelves',
  access: 'rawtest:read',
  replies: { 200: Type.Object({ framework: Type.Boolean() }) },
});
const put = defineRaw({
  ...common,
  method: 'PUT',
  path: '/v1/shelves/:shelf/box',
  id: 'putBox',
  summary: 'Put a box on a shelf',
  access: 'rawtest:read',
  params: Shelf,
  body: Box,
});

/** What the shelf's name makes of the answer. */
const BEHAVIOURS: Record<string, () => undefined | Promise<void>> = {
  throws: () => {
    throw new Error('a defect');
  },
  rejects: async () => {
    throw new Error('a defect');
  },
  hangs: () => new Promise(() => {}),
};

export default defineSystem({
  name: 'rawtest',
  summary: 'Raw routes.',
  options: optionsSchema({}),
  create: (_options, { log }) => ({
    routes: [
      handleRaw(open, (call) => {
        const { shelf } = call.params;
        if (shelf === 'unknown') return PASS;
        if (shelf === 'empty') return call.refuse(errors.shelf_empty({ detail: 'nothing here' }));
        log.info({ shelf }, 'asked for');
        const behaviour = BEHAVIOURS[shelf];
        if (behaviour) return behaviour();
        call.writeHead(200, ['content-type', 'text/plain']).end(`open ${shelf}`);
        return undefined;
      }),
      handleRaw(closed, (call) => {
        const { shelf } = call.params;
        call.writeHead(200, ['content-type', 'text/plain']).end(`${shelf} of ${call.principal?.workspaceId}`);
      }),
      handleRoute(counts, async () => ({ status: 200, body: { framework: true } })),
      handleRaw(put, async (call) => {
        const { size } = call.body;
        call.writeHead(200, ['content-type', 'text/plain']).end(`a box of ${size}`);
      }),
    ],
  }),
});
