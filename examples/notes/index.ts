/**
 * A system of one's own: notes, in three routes and one table. It imports nothing but `loadstone`.
 */
import {
  defineErrors,
  defineRoute,
  defineSystem,
  handleRoute,
  isId,
  optionsSchema,
  parseId,
  sql,
  Type,
} from 'loadstone';

const closed = { additionalProperties: false } as const;

const options = optionsSchema(
  {
    textCharsMax: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 1000,
      description: 'Longest text of a note.',
    }),
  },
  'Notes.',
);

const errors = defineErrors('notes', {
  note_too_long: {
    status: 422,
    title: 'The note is too long',
    doc: 'Its text has more characters than `notes.textCharsMax` allows.',
  },
  note_not_found: {
    status: 404,
    title: 'There is no such note',
    doc: 'No note of this workspace has this id (any more).',
  },
});

const Text = Type.String({
  minLength: 1,
  maxLength: 10_000,
  description: 'What is noted.',
  examples: ['remember the milk'],
});

// A title in one word names the type for whoever generates a client; examples are shown in /docs, and sent by its curl lines.
const Note = Type.Object(
  {
    id: Type.String({ description: 'A 64-bit number as a string.', examples: ['117896458777124864'] }),
    text: Text,
  },
  { ...closed, title: 'Note', description: 'A note to oneself.' },
);

const addNote = defineRoute({
  method: 'POST',
  // With an Idempotency-Key the same request twice is answered twice, and carried out once.
  idempotency: 'transaction',
  path: '/v1/notes',
  id: 'addNote',
  summary: 'Keep a note',
  body: Type.Object({ text: Text }, { ...closed, title: 'NewNote' }),
  replies: { 201: Note },
  errors: [errors.note_too_long],
  consistency: 'strong',
  whenPartitioned: 'refuse',
});

const listNotes = defineRoute({
  method: 'GET',
  path: '/v1/notes',
  id: 'listNotes',
  summary: 'List the newest notes',
  query: Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'How many at most.' }),
      ),
    },
    closed,
  ),
  replies: { 200: Type.Object({ items: Type.Array(Note) }, { ...closed, title: 'NewestNotes' }) },
  consistency: 'strong',
  whenPartitioned: 'refuse',
});

const deleteNote = defineRoute({
  method: 'DELETE',
  path: '/v1/notes/:id',
  id: 'deleteNote',
  summary: 'Delete a note',
  params: Type.Object(
    { id: Type.String({ description: "The note's id.", examples: ['117896458777124864'] }) },
    closed,
  ),
  replies: { 204: null },
  errors: [errors.note_not_found],
  consistency: 'strong',
  whenPartitioned: 'refuse',
});

export default defineSystem({
  name: 'notes',
  summary: 'Notes to oneself.',
  options,
  migrations: new URL('./migrations/', import.meta.url),
  create: ({ textCharsMax }, { ids }) => ({
    routes: [
      handleRoute(addNote, async ({ body: { text } }, { principal: { workspaceId }, mutate }) => {
        if (text.length > textCharsMax) {
          throw errors.note_too_long({
            errors: [{ pointer: '/text', detail: `has ${text.length} characters; at most ${textCharsMax}` }],
          });
        }
        return mutate(
          { shardKey: workspaceId },
          async (tx) => {
            const id = ids.next(tx.bucket);
            await tx.run(sql`insert into notes.notes (workspace_id, bucket, note_id, text)
              values (${workspaceId}, ${tx.bucket}, ${id}, ${text})`);
            return { id, text };
          },
          (note) => ({ status: 201, body: note }),
        );
      }),

      handleRoute(listNotes, async ({ query: { limit = 20 } }, { principal: { workspaceId }, reader }) => {
        const items = await reader().rows(
          sql<{ id: string; text: string }>`select note_id as id, text from notes.notes
            where workspace_id = ${workspaceId} order by note_id desc limit ${limit}`,
        );
        return { status: 200, body: { items } };
      }),

      handleRoute(deleteNote, async ({ params: { id } }, { principal: { workspaceId }, mutate }) => {
        if (!isId(id)) throw errors.note_not_found();
        return mutate(
          { bucket: parseId(id).bucket },
          async (tx) => {
            const deleted = await tx.run(
              sql`delete from notes.notes where workspace_id = ${workspaceId} and note_id = ${id}`,
            );
            if (deleted === 0) throw errors.note_not_found();
          },
          () => ({ status: 204 }),
        );
      }),
    ],
  }),
});
