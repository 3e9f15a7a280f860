/**
 * A system of one's own: notes, in three routes and one table. It imports nothing but `loadstone`.
 */
import {
  defineErrors,
  defineRoute,
  defineStep,
  defineSystem,
  handleOlder,
  handleRoute,
  isId,
  olderVersion,
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

const Lines = Type.Array(Type.String({ maxLength: 10_000 }), {
  minItems: 1,
  maxItems: 1000,
  description: 'What is noted, line by line.',
  examples: [['remember the milk']],
});
const NewNoteInLines = Type.Object({ lines: Lines }, { ...closed, title: 'NewNoteInLines' });
const NoteInLines = Type.Object(
  { id: Note.properties.id, lines: Lines },
  { ...closed, title: 'NoteInLines' },
);

const writeNote = defineRoute({
  method: 'POST',
  // With an Idempotency-Key the same request twice is answered twice, and carried out once.
  idempotency: 'transaction',
  path: '/v2/notes',
  id: 'writeNote',
  summary: 'Keep a note, line by line',
  body: NewNoteInLines,
  replies: { 201: NoteInLines },
  errors: [errors.note_too_long],
  consistency: 'strong',
  whenPartitioned: 'refuse',
});

// What programs call that were written before notes had lines. The handler of /v2 answers, through these steps.
const addNote = olderVersion(writeNote, {
  path: '/v1/notes',
  id: 'addNote',
  summary: 'Keep a note',
  body: defineStep(
    Type.Object({ text: Text }, { ...closed, title: 'NewNote' }),
    NewNoteInLines,
    ({ text }) => ({
      lines: text.split('\n'),
    }),
  ),
  replies: { 201: defineStep(NoteInLines, Note, ({ id, lines }) => ({ id, text: lines.join('\n') })) },
  deprecated: { since: '2026-12-01', sunset: '2027-12-01', link: 'https://example.com/notes/v2' },
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
  create({ textCharsMax }, { database, ids }) {
    const write = handleRoute(
      writeNote,
      async ({ body: { lines } }, { principal: { workspaceId }, mutate }) => {
        const text = lines.join('\n');
        if (text.length > textCharsMax) {
          throw errors.note_too_long({
            errors: [{ pointer: '/lines', detail: `has ${text.length} characters; at most ${textCharsMax}` }],
          });
        }
        return mutate({ shardKey: workspaceId }, async (tx) => {
          const id = ids.next(tx.bucket);
          await tx.run(sql`insert into notes.notes (workspace_id, bucket, note_id, text)
          values (${workspaceId}, ${tx.bucket}, ${id}, ${text})`);
          return { status: 201, body: { id, lines } };
        });
      },
    );
    return {
      routes: [
        write,
        handleOlder(addNote, write),

        handleRoute(listNotes, async ({ query: { limit = 20 } }, { principal: { workspaceId }, signal }) => {
          const items = await database.reader({ consistency: 'strong', signal }).rows(
            sql<{ id: string; text: string }>`select note_id as id, text from notes.notes
            where workspace_id = ${workspaceId} order by note_id desc limit ${limit}`,
          );
          return { status: 200, body: { items } };
        }),

        handleRoute(deleteNote, async ({ params: { id } }, { principal: { workspaceId }, mutate }) => {
          if (!isId(id)) throw errors.note_not_found();
          return mutate({ bucket: parseId(id).bucket }, async (tx) => {
            const deleted = await tx.run(
              sql`delete from notes.notes where workspace_id = ${workspaceId} and note_id = ${id}`,
            );
            if (deleted === 0) throw errors.note_not_found();
            return { status: 204 };
          });
        }),
      ],
    };
  },
});
