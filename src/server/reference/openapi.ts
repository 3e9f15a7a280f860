/**
 * What systems answer, as OpenAPI 3.1. Made from the shapes themselves and not from fastify's routes: those know
 * nothing of raw ones, and give no names to what several routes answer with.
 */
import Type, { type TObject, type TSchema } from 'typebox';
import { preconditionHeaders, type RawShape, type RouteShape } from '#blocks/system';
import { VERSION } from '../version.ts';
import { exampleOf } from './examples.ts';
import { describeOperated, type Operated, operatedRaw, operatedRoute } from './operated.ts';
import { ANSWER_HEADERS, type Response, responsesOf } from './responses.ts';
import { createNamedSchemas, type JsonSchema, type NamedSchemas } from './schema.ts';

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header' | 'cookie';
  description: string;
  required: boolean;
  schema: JsonSchema;
  example?: unknown;
}

export interface Operation {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  deprecated?: true;
  /** Empty where no key is asked for. */
  security?: object[];
  /** What the key needs to have. */
  'x-permission'?: string;
  parameters?: Parameter[];
  requestBody?: {
    required: true;
    content: { 'application/json': { schema: JsonSchema; example?: unknown } };
  };
  responses: Record<string, Response>;
}

/** The part of OpenAPI 3.1 that there is. */
export interface OpenApi {
  openapi: string;
  info: { title: string; version: string; description: string; [more: string]: unknown };
  servers: { url: string; description: string }[];
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonSchema>; [more: string]: unknown };
  [more: string]: unknown;
}

/** What one system answers. */
export interface ApiPart {
  name: string;
  summary: string;
  routes: readonly RouteShape[];
  raw: readonly RawShape[];
}

const idempotencyKey = Type.String({
  description:
    'A repetition with the same key and body is answered as the first one was, with `Idempotency-Replayed: true`. A refusal is not kept: the corrected request may have the same key. 1 to 255 visible ASCII characters, kept for `idempotency.retentionMs`.',
});

const sessionToken = Type.String({
  description:
    'What the answers to your own writes had in this header: this answer shows at least those. Several, separated by commas, count together. Without it, and without the cookie, the answer may be older, where there are replicas.',
});

const sessionCookie = Type.String({ description: 'As the header `Loadstone-Session`.' });

function parameter(
  name: string,
  place: Parameter['in'],
  required: boolean,
  schema: TSchema,
  named: NamedSchemas,
): Parameter {
  const { description = '', examples, ...written } = named.add(schema);
  const isShown = examples !== undefined || required;
  const example = isShown ? exampleOf(schema, 'needed') : undefined;
  return {
    name,
    in: place,
    description,
    required,
    schema: written,
    ...(example === undefined ? {} : { example }),
  };
}

function fields(schema: TObject | undefined, place: Parameter['in'], named: NamedSchemas): Parameter[] {
  const required = (schema as { required?: string[] } | undefined)?.required ?? [];
  return Object.entries(schema?.properties ?? {}).map(([name, each]) =>
    parameter(name, place, place === 'path' || required.includes(name), each, named),
  );
}

function parametersOf(
  { shape, access, isFramed, isKeyed, isVersioned }: Operated,
  named: NamedSchemas,
): Parameter[] {
  const optional = (name: string, place: Parameter['in'], schema: TSchema) =>
    parameter(name, place, false, schema, named);
  const isSession = isFramed && shape.consistency === 'session' && access !== 'public';
  const headers = { ...shape.headers, ...(isVersioned ? preconditionHeaders : {}) };
  return [
    ...fields(shape.params, 'path', named),
    ...fields(shape.query, 'query', named),
    ...Object.entries(headers).map(([name, each]) => optional(name, 'header', each)),
    ...(isKeyed ? [optional('Idempotency-Key', 'header', idempotencyKey)] : []),
    ...(isSession
      ? [
          optional('Loadstone-Session', 'header', sessionToken),
          optional('loadstone_session', 'cookie', sessionCookie),
        ]
      : []),
  ];
}

function bodyOf(schema: TSchema, named: NamedSchemas): NonNullable<Operation['requestBody']> {
  const example = exampleOf(schema, 'needed');
  return {
    required: true,
    content: {
      'application/json': {
        schema: named.add(schema),
        ...(example === undefined ? {} : { example }),
      },
    },
  };
}

function operationOf(operated: Operated, named: NamedSchemas): Operation {
  const { shape, tag, access } = operated;
  const parameters = parametersOf(operated, named);
  const body = 'body' in shape ? shape.body : undefined;
  return {
    operationId: shape.id,
    summary: shape.summary,
    description: describeOperated(operated),
    tags: [tag],
    ...(shape.deprecated ? { deprecated: true } : {}),
    // Not in the list beside the key, where OpenAPI 3.1 allows it: linters hold on to 3.0, and take it for an unknown scope.
    ...(access === 'public' ? { security: [] } : { 'x-permission': access }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: bodyOf(body, named) } : {}),
    responses: responsesOf(operated, named),
  };
}

function pathsOf(all: readonly Operated[], named: NamedSchemas): OpenApi['paths'] {
  const paths: OpenApi['paths'] = {};
  for (const operated of all) {
    const { path, method } = operated.shape;
    const key = path.replaceAll(/:([^/]+)/g, '{$1}');
    paths[key] = { ...paths[key], [method.toLowerCase()]: operationOf(operated, named) };
  }
  return paths;
}

/** @throws system_invalid when two different schemas have one name */
export function createOpenApi({ publicUrl }: { publicUrl: string }, parts: readonly ApiPart[]): OpenApi {
  const named = createNamedSchemas();
  const all = parts.flatMap(({ name, routes, raw }) => [
    ...routes.map((shape) => operatedRoute(name, shape)),
    ...raw.map((shape) => operatedRaw(name, shape)),
  ]);
  const paths = pathsOf(all, named);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Loadstone',
      version: VERSION,
      description:
        'The backend you can size, break and question. Bodies are JSON; ids are strings; times are RFC 3339 in UTC. Every refusal is a problem document with a stable `code`.',
      contact: { name: 'Whoever runs this server', url: publicUrl },
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    externalDocs: { url: `${publicUrl}/docs`, description: 'The same for people.' },
    servers: [{ url: publicUrl, description: 'This installation.' }],
    security: [{ key: [] }],
    tags: parts.map(({ name, summary }) => ({ name, description: summary })),
    paths,
    components: {
      schemas: named.schemas,
      headers: ANSWER_HEADERS,
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description:
            'An API key. `x-permission` of an operation is what the key has to have; every key has all permissions.',
        },
      },
    },
  };
}
