/**
 * Route shapes as OpenAPI 3.1.
 */
import { readFileSync } from 'node:fs';
import type { FastifySchema } from 'fastify';
import Type, { type TSchema } from 'typebox';
import { idempotencyErrors } from '#blocks/idempotency';
import { identityErrors } from '#blocks/identity';
import { limiterErrors } from '#blocks/limiter';
import { outboxErrors } from '#blocks/outbox';
import type { RouteShape } from '#blocks/system';
import { serverErrors } from './errors.ts';

const ProblemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.Optional(Type.String()),
    code: Type.String({ description: 'Stable; see the error reference.' }),
    traceId: Type.String({ description: 'Finds the log line.' }),
    errors: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
  },
  { title: 'Problem', description: 'RFC 9457 problem document.' },
);

/** The version of this package; two directories up both in the source tree and in the published one. */
export const VERSION: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version;

export function openApiInfo(publicUrl: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Loadstone',
      version: VERSION,
      description: 'The backend you can size, break and question.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: publicUrl }],
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key.' } },
    },
    security: [{ key: [] }],
  };
}

/** Errors that any route with a body, or any route at all, can give. */
function errorCodes(shape: RouteShape): { status: number; code: string; title: string }[] {
  const general = shape.body
    ? [
        identityErrors.unauthenticated,
        limiterErrors.rate_limited,
        serverErrors.json_malformed,
        serverErrors.request_invalid,
        serverErrors.body_too_large,
        serverErrors.media_type_unsupported,
      ]
    : [identityErrors.unauthenticated, limiterErrors.rate_limited, serverErrors.request_invalid];
  const keyed = isKeyed(shape) ? Object.values(idempotencyErrors) : [];
  const written = shape.method === 'GET' ? [] : [outboxErrors.outbox_full];
  return [...general, ...(shape.errors ?? []), ...keyed, ...written].map((make) => {
    const { status, code, title } = make();
    return { status, code, title };
  });
}

function isKeyed(shape: RouteShape): boolean {
  return shape.method === 'POST' && shape.idempotency === 'transaction';
}

const idempotencyKey = {
  'idempotency-key': Type.Optional(
    Type.String({
      description:
        'A repetition with the same key and body is answered as the first one was, with `Idempotency-Replayed: true`. A refusal is not kept: the corrected request may have the same key. 1 to 255 visible ASCII characters, kept for `idempotency.retentionMs`.',
    }),
  ),
};

const sessionToken = {
  'loadstone-session': Type.Optional(
    Type.String({
      description:
        'What the answers to your own writes had in this header: this answer shows at least those. Several, separated by commas, count together. Without it, and without the cookie, the answer may be older, where there are replicas.',
    }),
  ),
};

const sessionCookie = {
  loadstone_session: Type.Optional(Type.String({ description: 'As the header `Loadstone-Session`.' })),
};

/** What a route takes beside path, query and body. */
function parametersOf(shape: RouteShape): FastifySchema {
  const isSession = shape.consistency === 'session';
  const headers = { ...(isKeyed(shape) ? idempotencyKey : {}), ...(isSession ? sessionToken : {}) };
  return {
    ...(Object.keys(headers).length > 0 ? { headers: Type.Object(headers) } : {}),
    ...(isSession ? { cookies: Type.Object(sessionCookie) } : {}),
  };
}

function describeSession(shape: RouteShape): string {
  if (shape.method === 'GET') return '';
  return 'Where there are replicas, the answer has `Loadstone-Session`, as a header and as the cookie `loadstone_session`: with either, reads show what was written.';
}

/** What a repetition of the request does. */
function describeRepetition(shape: RouteShape): string {
  if (shape.method !== 'POST') return '';
  const said = {
    transaction: 'Takes an `Idempotency-Key`.',
    natural: 'The same as once, however often it is sent.',
    none: 'Each repetition happens again.',
  };
  return said[shape.idempotency];
}

function describePartition(shape: RouteShape): string {
  if (shape.whenPartitioned === 'refuse') return 'refuses (503)';
  return `may answer with data up to ${shape.whenPartitioned.staleMsMax} ms old`;
}

export function routeSchema(shape: RouteShape): FastifySchema {
  const replies: Record<string, unknown> = {};
  for (const [status, schema] of Object.entries(shape.replies) as [string, TSchema | null][]) {
    replies[status] = schema ?? { type: 'null', description: 'No body.' };
  }
  const errors = errorCodes(shape);
  replies.default = {
    description: `A problem document. Codes: ${[...new Set(errors.map((e) => `${e.code} (${e.status})`))].join(', ')}.`,
    content: { 'application/problem+json': { schema: ProblemSchema } },
  };
  return {
    operationId: shape.id,
    summary: shape.summary,
    description: [
      shape.description,
      `Consistency: ${shape.consistency}. Without the database it ${describePartition(shape)}. ${describeRepetition(shape)}`.trim(),
      describeSession(shape),
    ]
      .filter(Boolean)
      .join('\n\n'),
    tags: [shape.path.split('/')[2] ?? ''],
    ...parametersOf(shape),
    ...(shape.params ? { params: shape.params } : {}),
    ...(shape.query ? { querystring: shape.query } : {}),
    ...(shape.body ? { body: shape.body } : {}),
    response: replies,
  } as FastifySchema;
}
