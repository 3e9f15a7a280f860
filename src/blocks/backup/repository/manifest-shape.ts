/**
 * What a manifest has to look like before anything in it is believed: its own SHA-256 can be made by anybody.
 */
import Type from 'typebox';
import { compileSchema } from '#base/options/validate';

const text = Type.String({ maxLength: 1024 });
const count = Type.Integer({ minimum: 0 });
const time = Type.String({ pattern: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ });
const lsn = Type.String({ pattern: /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/ });
/** Below the directory of the backup, and nowhere else. */
const path = Type.String({
  pattern: /^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]*(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/,
});

const orNull = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

const log = Type.Object({
  systemIdentifier: text,
  incarnation: text,
  timeline: Type.Integer({ minimum: 1 }),
  segmentBytes: Type.Integer({ minimum: 2 ** 20, maximum: 2 ** 30 }),
  firstSegment: count,
  lastSegment: count,
  markedLsn: lsn,
});

const tables = Type.Object({
  partitions: Type.Array(Type.Object({ schema: text, name: text, parent: text, bounds: text })),
  contents: Type.Array(
    Type.Object({ schema: text, name: text, columns: Type.Array(text), path, rows: count }),
  ),
  sequences: Type.Array(Type.Object({ schema: text, name: text, lastValue: orNull(text) })),
});

const encryption = Type.Object({
  algorithm: text,
  chunkBytes: count,
  kdf: Type.Object({ name: text, cost: count, blockSize: count, parallelization: count, salt: text }),
  nonce: text,
});

/** Of a manifest of this format. */
export const manifestShape = compileSchema(
  Type.Object({
    kind: Type.Union([Type.Literal('physical'), Type.Literal('wal'), Type.Literal('logical')]),
    name: text,
    loadstone: text,
    beganAt: time,
    endedAt: time,
    statedAt: time,
    postgres: Type.Object({ version: text }),
    log: orNull(log),
    base: orNull(Type.Object({ startLsn: lsn, stopLsn: lsn, consistentAt: time })),
    migrations: Type.Array(Type.Object({ room: text, number: count })),
    masterKey: Type.Object({
      kept: Type.Union([Type.Literal('inside'), Type.Literal('apart')]),
      fingerprint: orNull(text),
    }),
    tables: orNull(tables),
    encryption: orNull(encryption),
    files: Type.Array(
      Type.Object({
        path,
        bytes: count,
        storedBytes: count,
        sha256: Type.String({ pattern: /^[0-9a-f]{64}$/ }),
      }),
    ),
  }),
);
