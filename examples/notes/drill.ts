/**
 * What `loadstone drill` and `loadstone calibrate` do with notes: they are kept, read and deleted. All that was acknowledged
 * must be there in the end, whatever was broken meanwhile.
 */
import type { DrilledRoute, DrillGet, DrillOperation, SystemCalibration, SystemDrill } from 'loadstone';

const PATH = '/v1/notes';
const PAGE = 100;

interface Note {
  id: string;
  text: string;
}

/** Every note, page by page. */
async function* list(get: DrillGet): AsyncIterable<readonly [id: string, text: string]> {
  for (let cursor: string | null = ''; cursor !== null; ) {
    const after: string = cursor && `&cursor=${encodeURIComponent(cursor)}`;
    const page: { items: Note[]; nextCursor: string | null } = await get(`${PATH}?limit=${PAGE}${after}`);
    for (const { id, text } of page.items) yield [id, text];
    cursor = page.nextCursor;
  }
}

/** @param routes the shapes: what they declare about freshness and about a database that is away is held against them */
export function notesDrill(routes: Record<'add' | 'get' | 'list' | 'delete', DrilledRoute>): SystemDrill {
  const add: DrillOperation = {
    ...{ route: routes.add, effect: 'create', weight: 30 },
    request: (_, text) => ({ method: 'POST', path: PATH, body: { text } }),
    learn: ({ body }) => ({ id: String(body.id) }),
  };
  const read: DrillOperation = {
    ...{ route: routes.get, effect: 'read', weight: 60 },
    request: ({ id }) => ({ method: 'GET', path: `${PATH}/${id}` }),
    learn: ({ body }) => ({ value: String(body.text) }),
  };
  const remove: DrillOperation = {
    ...{ route: routes.delete, effect: 'remove', weight: 10 },
    request: ({ id }) => ({ method: 'DELETE', path: `${PATH}/${id}` }),
  };
  return {
    operations: { add, read, remove },
    readBack: {
      route: routes.list,
      list,
      one: async (get, id) => (await get<Note>(`${PATH}/${id}`)).text,
    },
  };
}

/** By the names of the operations in `model.ts`, so that plans take these figures for them. */
export const notesCalibration: SystemCalibration = {
  prepare: (n) => ({ method: 'POST', path: PATH, body: { text: `note ${n}` } }),
  keep: ({ body }) => ({ id: String(body.id) }),
  measures: {
    read: { reads: (notes) => notes.map(({ id }) => ({ method: 'GET', path: `${PATH}/${id}` })) },
    add: { write: (n) => ({ method: 'POST', path: PATH, body: { text: `another note ${n}` } }) },
  },
};
