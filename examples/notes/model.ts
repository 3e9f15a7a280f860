/**
 * What notes cost, for `loadstone plan`: bytes on the wire and in the database. A note's text is the part whose size
 * depends on the use.
 */
import { indexBytes, type OperationCost, rowBytes, type SystemModel } from 'loadstone';

const TEXT_BYTES = 60;
/** Workspace, bucket and id; the primary key has two of them. */
const FIXED_BYTES = 8 + 2 + 8;
const KEY_BYTES = 16;
/** Request and answer with their headers, without the text. */
const WIRE = { request: 220, answer: 400 };

const NOTHING: OperationCost = {
  ...{ kind: 'read', isHot: false, consistency: 'strong' },
  ...{ requestBytes: WIRE.request, responseBytes: WIRE.answer },
  ...{ rowBytes: 0, rowBytesStored: 0, objectBytes: 0, answerBytesKept: 0 },
  ...{ events: 0, eventBytes: 0, jobs: 0, cacheEntryBytes: 0, isCachedInProcess: false },
};

export const notesModel: SystemModel = {
  name: 'notes',
  operations: {
    add: (textBytes = TEXT_BYTES) => ({
      ...NOTHING,
      kind: 'write',
      requestBytes: WIRE.request + textBytes,
      responseBytes: WIRE.answer + textBytes,
      rowBytes: FIXED_BYTES + textBytes,
      rowBytesStored: Math.ceil(rowBytes(FIXED_BYTES, textBytes + 4) + indexBytes(KEY_BYTES, true)),
      answerBytesKept: 60 + textBytes,
    }),
    read: (textBytes = TEXT_BYTES) => ({ ...NOTHING, responseBytes: WIRE.answer + textBytes }),
    delete: () => ({ ...NOTHING, kind: 'write' }),
  },
};
