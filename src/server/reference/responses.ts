/**
 * The answers of an operation for OpenAPI: each success with its body, each status of an error with its codes.
 */
import Type, { type TSchema } from 'typebox';
import { deadlineErrors } from '#base/deadline';
import type { ErrorFactory, LoadstoneError } from '#base/errors';
import { lifecycleErrors } from '#base/lifecycle';
import { databaseErrors } from '#blocks/database';
import { idempotencyErrors } from '#blocks/idempotency';
import { identityErrors } from '#blocks/identity';
import { idsErrors } from '#blocks/ids';
import { limiterErrors } from '#blocks/limiter';
import { outboxErrors } from '#blocks/outbox';
import { systemErrors, versionHeader } from '#blocks/system';
import { serverErrors } from '../errors.ts';
import { problemOf } from '../http/problem.ts';
import { exampleOf } from './examples.ts';
import type { Operated } from './operated.ts';
import type { JsonSchema, NamedSchemas } from './schema.ts';

export interface Response {
  description: string;
  headers?: Record<string, object>;
  content?: Record<string, { schema: JsonSchema; example?: unknown }>;
}

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'Where the error is explained: an address of this server.' }),
    title: Type.String({ description: 'The same for every error of the code.' }),
    status: Type.Integer({ description: 'The status of the answer.' }),
    detail: Type.Optional(Type.String({ description: 'What is wrong with this request.' })),
    code: Type.String({ description: 'Stable: what a program may decide by.' }),
    traceId: Type.String({ description: 'Finds the lines of the log.' }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({
            description: 'A JSON pointer into the body; `?name` is of the query, `:name` of the path.',
          }),
          detail: Type.String(),
        }),
        { description: 'Each field that is wrong.' },
      ),
    ),
  },
  { title: 'Problem', description: 'A refusal: an RFC 9457 problem document.' },
);

const EXAMPLE_TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

/** What any request can meet, whatever it asks for. */
const GENERAL: readonly ErrorFactory[] = [
  serverErrors.request_malformed,
  serverErrors.headers_too_large,
  serverErrors.internal,
  serverErrors.starting,
  lifecycleErrors.stopped,
  databaseErrors.database_unavailable,
  databaseErrors.database_busy,
];

const OF_KEYS: readonly ErrorFactory[] = [
  identityErrors.unauthenticated,
  identityErrors.keys_busy,
  limiterErrors.rate_limited,
];

const OF_BODIES: readonly ErrorFactory[] = [
  serverErrors.json_malformed,
  serverErrors.request_timeout,
  serverErrors.body_too_large,
  serverErrors.media_type_unsupported,
];

const OF_WRITES: readonly ErrorFactory[] = [
  databaseErrors.database_full,
  databaseErrors.database_conflict,
  databaseErrors.outcome_unknown,
  idsErrors.ids_ahead_of_clock,
  idsErrors.worker_lease_lost,
  outboxErrors.outbox_full,
];

/** By status, without those that come twice; the route's own are first. */
function failuresOf(operated: Operated): Map<number, LoadstoneError[]> {
  const { shape, isFramed, isKeyed, isVersioned } = operated;
  const framed = [
    serverErrors.request_invalid,
    serverErrors.session_invalid,
    deadlineErrors.deadline_exceeded,
  ];
  const makes = [
    ...(shape.errors ?? []),
    ...(isVersioned ? [systemErrors.precondition_failed, systemErrors.precondition_malformed] : []),
    ...(operated.access === 'public' ? [] : OF_KEYS),
    ...(isFramed ? framed : [deadlineErrors.deadline_exceeded]),
    ...(isKeyed ? Object.values(idempotencyErrors) : []),
    ...('body' in shape && shape.body ? OF_BODIES : []),
    ...GENERAL,
    ...(shape.method === 'GET' ? [] : OF_WRITES),
  ];
  const byCode = new Map(makes.map((make) => [make().code, make()]));
  return Map.groupBy(byCode.values(), ({ status }) => status);
}

/** The headers of each answer of the route. */
function everyHeader({ shape: { deprecated } }: Operated): Record<string, object> {
  const of = (name: string) => ({ $ref: `#/components/headers/${name}` });
  return {
    traceparent: of('Traceparent'),
    ...(deprecated ? { Deprecation: of('Deprecation') } : {}),
    ...(deprecated?.sunset ? { Sunset: of('Sunset') } : {}),
    ...(deprecated?.link ? { Link: of('DeprecationLink') } : {}),
  };
}

function failure(
  operated: Operated,
  status: number,
  errors: readonly LoadstoneError[],
  problem: JsonSchema,
): Response {
  const [first] = errors;
  const codes = errors.map(({ code }) => code);
  const narrowed = {
    type: 'object',
    properties: { status: { const: status }, code: { type: 'string', enum: codes } },
    required: ['status', 'code'],
  };
  return {
    description: errors.map(({ code, title }) => `- \`${code}\`: ${title}`).join('\n'),
    headers: {
      ...(errors.some(({ retryable }) => retryable)
        ? { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } }
        : {}),
      ...everyHeader(operated),
    },
    content: {
      'application/problem+json': {
        schema: { allOf: [problem, narrowed] },
        ...(first ? { example: problemOf(first, EXAMPLE_TRACE_ID) } : {}),
      },
    },
  };
}

const SUCCESSES: Record<number, string> = {
  200: 'Done.',
  201: 'Made.',
  202: 'Accepted: the work goes on.',
  204: 'Done; no body.',
  301: 'Moved for good.',
  302: 'To be found elsewhere for now.',
  304: 'As the caller has it already; no body.',
  307: 'To be found elsewhere for now; the method stays.',
  308: 'Moved for good; the method stays.',
};

function success(operated: Operated, status: number, schema: TSchema | null, named: NamedSchemas): Response {
  const { shape, isKeyed, isVersioned } = operated;
  const tagged = isVersioned && (schema !== null || status === 304) ? versionHeader : {};
  const headers: Readonly<Record<string, TSchema>> = { ...shape.replyHeaders, ...tagged };
  const own = Object.entries(headers).map(([name, each]) => {
    const { description = '', ...written } = named.add(each);
    return [name, { description, schema: written }];
  });
  const example = schema ? exampleOf(schema, 'all') : undefined;
  return {
    description: SUCCESSES[status] ?? 'Done.',
    headers: {
      ...Object.fromEntries(own),
      ...(isKeyed ? { 'Idempotency-Replayed': { $ref: '#/components/headers/IdempotencyReplayed' } } : {}),
      ...everyHeader(operated),
    },
    ...(schema
      ? {
          content: {
            'application/json': {
              schema: named.add(schema),
              ...(example === undefined ? {} : { example }),
            },
          },
        }
      : {}),
  };
}

/** Headers that many answers have. */
export const ANSWER_HEADERS = {
  Traceparent: {
    description: 'The trace of the request (W3C Trace Context); its trace id finds the lines of the log.',
    schema: { type: 'string' },
  },
  RetryAfter: {
    description: 'After how many seconds the same request may succeed.',
    schema: { type: 'integer' },
  },
  Deprecation: {
    description: 'Since when the route should not be called any more (RFC 9745): `@` and seconds since 1970.',
    schema: { type: 'string' },
  },
  Sunset: {
    description: 'From when on the route may answer no more (RFC 8594): a date as HTTP writes it.',
    schema: { type: 'string' },
  },
  DeprecationLink: {
    description: 'Where it is told what to call instead (`rel="deprecation"`, `rel="sunset"`).',
    schema: { type: 'string' },
  },
  IdempotencyReplayed: {
    description: '`true` on an answer that was given before, to an earlier request with this key.',
    schema: { type: 'string', enum: ['true'] },
  },
};

function other(problem: JsonSchema): Response {
  return {
    description: 'Any other refusal.',
    content: { 'application/problem+json': { schema: problem } },
  };
}

export function responsesOf(operated: Operated, named: NamedSchemas): Record<string, Response> {
  const problem = named.add(ProblemSchema);
  const { shape, isVersioned } = operated;
  const unchanged = isVersioned && shape.method === 'GET' ? { 304: null } : {};
  const replies: Readonly<Record<string, TSchema | null>> = { ...shape.replies, ...unchanged };
  const successes = Object.entries(replies).map(([status, schema]) => [
    status,
    success(operated, Number(status), schema, named),
  ]);
  const failures = [...failuresOf(operated)]
    .toSorted(([a], [b]) => a - b)
    .map(([status, errors]) => [String(status), failure(operated, status, errors, problem)]);
  const isRedirect = Object.keys(shape.replies).every((status) => !status.startsWith('2'));
  // Elsewhere no `default`: it would make every code any string in generated clients. Linters want it where there is no 2xx.
  return {
    ...Object.fromEntries([...successes, ...failures]),
    ...(isRedirect ? { default: other(problem) } : {}),
  };
}
