/**
 * What orders cost, for `loadstone plan`: bytes on the wire and in the database.
 */
import { indexBytes, type OperationCost, rowBytes, type SystemModel } from 'loadstone';

const REFERENCE_BYTES = 20;
/** Workspace, bucket, ids, quantity, version, state and time. */
const FIXED_BYTES = 8 + 2 + 8 + 8 + 4 + 4 + 8 + 8;
const KEY_BYTES = 16;
/** Ids and quantity. */
const EVENT_BYTES = 100;
/** Request and answer with their headers, without the reference. */
const WIRE = { request: 280, answer: 520 };

const NOTHING: OperationCost = {
  ...{ kind: 'read', isHot: false, consistency: 'strong' },
  ...{ requestBytes: WIRE.request, responseBytes: WIRE.answer },
  ...{ rowBytes: 0, rowBytesStored: 0, objectBytes: 0, answerBytesKept: 0 },
  ...{ events: 0, eventBytes: 0, jobs: 0, cacheEntryBytes: 0, isCachedInProcess: false },
};

export const ordersModel: SystemModel = {
  name: 'orders',
  operations: {
    place: (referenceBytes = REFERENCE_BYTES) => ({
      ...NOTHING,
      kind: 'write',
      requestBytes: WIRE.request + referenceBytes,
      responseBytes: WIRE.answer + referenceBytes,
      rowBytes: FIXED_BYTES + referenceBytes,
      rowBytesStored: Math.ceil(rowBytes(FIXED_BYTES, referenceBytes + 4) + indexBytes(KEY_BYTES, true)),
      answerBytesKept: 200 + referenceBytes,
      ...{ events: 1, eventBytes: EVENT_BYTES, jobs: 1 },
    }),
    read: (referenceBytes = REFERENCE_BYTES) => ({
      ...NOTHING,
      responseBytes: WIRE.answer + referenceBytes,
    }),
    pay: (referenceBytes = REFERENCE_BYTES) => ({
      ...NOTHING,
      kind: 'write',
      jobs: 1,
      answerBytesKept: 200 + referenceBytes,
    }),
    cancel: () => ({ ...NOTHING, kind: 'write', events: 1, eventBytes: EVENT_BYTES }),
  },
};
