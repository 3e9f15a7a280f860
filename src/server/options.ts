import type { Static } from 'typebox';
import Type from 'typebox';
import { LOG_LEVELS } from '#base/log';
import { optionsSchema } from '#base/options';
import { backupOptions } from '#blocks/backup';
import { databaseOptions } from '#blocks/database';
import { registryOptions } from '#blocks/discovery';
import { idempotencyOptions } from '#blocks/idempotency';
import { idsOptions } from '#blocks/ids';
import { mutationOptions } from '#blocks/mutation';
import { outboxOptions } from '#blocks/outbox';
import { projectionOptions } from '#blocks/projection';
import { queueOptions } from '#blocks/queue';
import { referencesOptions } from '#blocks/references';
import { streamOptions } from '#blocks/stream';
import { traceExportOptions, xminWatchOptions } from '#blocks/telemetry';

const httpOptions = optionsSchema(
  {
    bodyBytesMax: Type.Integer({
      minimum: 1024,
      maximum: 16_777_216,
      default: 1_048_576,
      description: 'Longest body of an API request.',
    }),
    headerBytesMax: Type.Integer({
      minimum: 4096,
      maximum: 1_048_576,
      default: 16_384,
      description: 'Request line and headers together.',
    }),
    connectionsMax: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 10_000,
      description: 'Open connections; one more is closed at once.',
    }),
    requestTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 10_000,
      description: 'How long the server may work on an API request before it answers 504.',
    }),
    headersTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 10_000,
      description: 'How long a client may take to send its headers.',
    }),
    receiveTimeoutMs: Type.Integer({
      minimum: 100,
      maximum: 3_600_000,
      default: 60_000,
      description: 'How long a client may take to send a whole request.',
    }),
    keepAliveTimeoutMs: Type.Integer({
      minimum: 0,
      maximum: 3_600_000,
      default: 30_000,
      description: 'How long an idle connection is kept; longer than the load balancer keeps its own.',
    }),
    drainDelayMs: Type.Integer({
      minimum: 0,
      maximum: 600_000,
      default: 0,
      description:
        'How long a stopping server goes on accepting requests while /readyz already fails, so that load balancers notice.',
    }),
    drainIdleMs: Type.Integer({
      minimum: 0,
      maximum: 600_000,
      default: 500,
      description:
        'How long a stopping server leaves idle connections open: a request that is already on its way over one is answered, with `Connection: close`, and not lost.',
    }),
    drainTimeoutMs: Type.Integer({
      minimum: 0,
      maximum: 600_000,
      default: 10_000,
      description: 'How long a stopping server waits for requests in flight.',
    }),
  },
  'The HTTP server.',
);

const logOptions = optionsSchema(
  {
    level: Type.Union(LOG_LEVELS.map((level) => Type.Literal(level)) as [], {
      default: 'info',
      description: 'Least severe level that is logged.',
    }),
    hotSampleEvery: Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      default: 1000,
      description:
        'One in so many redirects gets an access log line, since a line for each costs a third of their throughput; 0 logs none.',
    }),
  },
  'Logs: JSON lines on standard error.',
);

const properties = {
  listen: Type.String({
    default: '127.0.0.1:8080',
    pattern: '^(\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9.-]+):[0-9]{1,5}$',
    allowed: 'HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, with a port from 0 to 65535',
    description: 'Address and port to listen on; port 0 takes a free one.',
  }),
  publicUrl: Type.Optional(
    Type.String({
      pattern: '^https?://[^/?#@]+/?$',
      allowed: 'http:// or https:// and a host, without a path',
      description:
        'The address under which clients reach the server, for short URLs; default `http://` and `listen`. Never taken from a request.',
    }),
  ),
  trustedProxies: Type.Array(
    Type.String({
      pattern: '^[0-9a-fA-F:.]+(/[0-9]{1,3})?$',
      allowed: 'an IP address or a network such as 10.0.0.0/8',
    }),
    {
      default: [],
      maxItems: 100,
      description: 'Addresses or networks whose `X-Forwarded-For` is believed.',
    },
  ),
  processes: Type.Integer({
    minimum: 1,
    maximum: 64,
    default: 1,
    description:
      'How many processes serve, on one socket. From two on, one more supervises them: it owns the embedded Postgres, restarts those that die, and replaces them one by one on SIGHUP. Beside the embedded Postgres 10 at most.',
  }),
  processSilentMsMax: Type.Integer({
    minimum: 1000,
    maximum: 3_600_000,
    default: 30_000,
    description:
      'One of several processes whose event loop stands still for so long, as in an endless loop, is killed, and another takes its place.',
  }),
  role: Type.Union([Type.Literal('all'), Type.Literal('api'), Type.Literal('worker')], {
    default: 'all',
    description:
      '`api` answers requests and leaves all other work to others; `worker` carries out jobs, moves events and answers nothing but health and metrics; `all` does both.',
  }),
  data: Type.String({
    minLength: 1,
    default: './data',
    description: 'Directory of everything that the server keeps; relative to the working directory.',
  }),
  systems: Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
    default: ['links'],
    maxItems: 100,
    description:
      'The systems to run: names of systems that come with Loadstone, or paths (starting with `./`, `../` or `/`) of modules that export one.',
  }),
  http: httpOptions,
  log: logOptions,
  ids: idsOptions,
  database: databaseOptions,
  stream: streamOptions,
  outbox: outboxOptions,
  queue: queueOptions,
  idempotency: idempotencyOptions,
  mutation: mutationOptions,
  projection: projectionOptions,
  references: referencesOptions,
  registry: registryOptions,
  backup: backupOptions,
  xmin: xminWatchOptions,
  traces: traceExportOptions,
};

export const serverOptions = optionsSchema(properties);

export type ProcessRole = 'all' | 'api' | 'worker';

export type ServerOptions = Omit<Static<typeof serverOptions>, 'log'> & {
  log: { level: (typeof LOG_LEVELS)[number]; hotSampleEvery: number };
};
