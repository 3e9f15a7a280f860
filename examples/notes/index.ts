/**
 * A system of one's own: notes, in four routes and one table. It imports nothing but `loadstone` and its own files.
 */
import {
  defineErrors,
  defineRoute,
  defineStep,
  defineSystem,
  fieldError,
  handleOlder,
  handleRoute,
  isId,
  type Keyed,
  listOrder,
  olderVersion,
  optionsSchema,
  pageOf,
  pageQuery,
  parseId,
  type Static,
  sql,
  systemErrors,
  Type,
} from 'loadstone';
import { notesCalibration, notesDrill } from './drill.ts';
import { notesModel } from './model.ts';

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

type Note = Static<typeof Note>;

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
  access: 'notes:write',
  body: NewNoteInLines,
  replies: { 201: NoteInLines },
  errors: [errors.note_too_long],
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
  summary: 'List notes, newest first',
  access: 'notes:read',
  query: pageQuery(),
  replies: { 200: pageOf(Note) },
  errors: [systemErrors.cursor_invalid],
});

const NoteId = Type.Object(
  { id: Type.String({ description: "The note's id.", examples: ['117896458777124864'] }) },
  closed,
);

const getNote = defineRoute({
  method: 'GET',
  path: '/v1/notes/:id',
  id: 'getNote',
  summary: 'Read a note',
  access: 'notes:read',
  params: NoteId,
  replies: { 200: Note },
  errors: [errors.note_not_found],
});

const deleteNote = defineRoute({
  method: 'DELETE',
  path: '/v1/notes/:id',
  id: 'deleteNote',
  summary: 'Delete a note',
  access: 'notes:write',
  params: NoteId,
  replies: { 204: null },
  errors: [errors.note_not_found],
});

// Ids are ordered by time. A cursor goes on after an id, so that notes that come and go meanwhile hide and repeat none.
const newestFirst = listOrder('notes', 'desc', [{ column: sql`note_id`, type: 'bigint' }]);

export default defineSystem({
  name: 'notes',
  summary: 'Notes to oneself.',
  options,
  migrations: new URL('./migrations/', import.meta.url),
  model: notesModel,
  drill: notesDrill({ add: addNote.shape, get: getNote, list: listNotes, delete: deleteNote }),
  calibrate: notesCalibration,
  create({ textCharsMax }, { ids }) {
    const write = handleRoute(
      writeNote,
      async ({ body: { lines } }, { principal: { workspaceId }, mutate }) => {
        const text = lines.join('\n');
        if (text.length > textCharsMax) {
          const detail = `has ${text.length} characters; at most ${textCharsMax}`;
          throw fieldError(errors.note_too_long, '/lines', detail);
        }
        return mutate(
          { shardKey: workspaceId },
          async (tx) => {
            const id = ids.next(tx.bucket);
            await tx.run(sql`insert into notes.notes (workspace_id, bucket, note_id, text)
              values (${workspaceId}, ${tx.bucket}, ${id}, ${text})`);
            return { id, lines };
          },
          (note) => ({ status: 201, body: note }),
        );
      },
    );
    return {
      routes: [
        write,
        handleOlder(addNote, write),

        handleRoute(listNotes, async ({ query }, { principal: { workspaceId }, reader }) => {
          const page = await newestFirst.page(
            query,
            ({ keys, after, orderAndLimit }) =>
              reader().rows(sql<Keyed<Note>>`select note_id as id, text, ${keys} from notes.notes
                where workspace_id = ${workspaceId} and ${after} ${orderAndLimit}`),
            ({ id, text }) => ({ id, text }),
          );
          return { status: 200, body: page };
        }),

        handleRoute(getNote, async ({ params: { id } }, { principal: { workspaceId }, reader }) => {
          if (!isId(id)) throw errors.note_not_found();
          const note = await reader().first(
            sql<Note>`select note_id as id, text from notes.notes
              where workspace_id = ${workspaceId} and note_id = ${id}`,
          );
          if (note === undefined) throw errors.note_not_found();
          return { status: 200, body: note };
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
    };
  },
});
