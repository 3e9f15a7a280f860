/**
 * A system for tests of what the server does for every route: what is public, what has a version. It keeps nothing but in
 * this process.
 */
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { sql } from '#blocks/database';
import { defineRoute, defineSystem, handleRoute, requireVersion } from '#blocks/system';

const closed = { additionalProperties: false } as const;
const Sheet = Type.Object({ text: Type.String() }, closed);

/** The module that a server's `systems` names. */
export const deskPath: string = import.meta.filename;

const look = defineRoute({
  method: 'GET',
  path: '/v1/desk',
  id: 'lookAtDesk',
  summary: 'Look at the desk',
  access: 'public',
  replies: {
    200: Type.Object({ told: Type.Array(Type.String()), role: Type.String() }, closed),
  },
});

const ring = defineRoute({
  method: 'POST',
  idempotency: 'none',
  path: '/v1/desk/bell',
  id: 'ringBell',
  summary: 'Ring',
  access: 'public',
  body: Sheet,
  replies: { 200: Sheet },
});

const readSheet = defineRoute({
  method: 'GET',
  path: '/v1/desk/sheet',
  id: 'readSheet',
  summary: 'Read the sheet',
  access: 'desk:read',
  precondition: 'version',
  replies: { 200: Sheet },
});

const writeSheet = defineRoute({
  method: 'PUT',
  path: '/v1/desk/sheet',
  id: 'writeSheet',
  summary: 'Write the sheet',
  access: 'desk:write',
  precondition: 'version',
  body: Sheet,
  replies: { 200: Sheet },
});

/** Against its own shape. */
const readNothing = defineRoute({
  method: 'GET',
  path: '/v1/desk/nothing',
  id: 'readNothing',
  summary: 'Read what states no version',
  access: 'desk:read',
  precondition: 'version',
  replies: { 200: Sheet },
});

export default defineSystem({
  name: 'desk',
  summary: 'What is public, and what has a version.',
  options: optionsSchema({}),
  create() {
    let sheet = { text: 'first', version: 1 };
    return {
      routes: [
        handleRoute(look, async (_, context) => {
          const row = await context.reader().first(sql<{ role: string }>`select current_user::text as role`);
          const told: string[] = [];
          for (const name in context) told.push(name);
          return { status: 200, body: { told: told.sort(), role: row?.role ?? '' } };
        }),
        handleRoute(ring, async ({ body }) => ({ status: 200, body })),
        handleRoute(readSheet, async () => ({
          status: 200,
          version: sheet.version,
          body: { text: sheet.text },
          headers: { 'cache-control': 'private' },
        })),
        handleRoute(writeSheet, async ({ body: { text }, preconditions }) => {
          requireVersion(preconditions, sheet.version);
          sheet = { text, version: sheet.version + 1 };
          return { status: 200, version: sheet.version, body: { text } };
        }),
        handleRoute(readNothing, async () => ({ status: 200, body: { text: '' } })),
      ],
    };
  },
});
