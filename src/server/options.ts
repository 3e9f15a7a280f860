import type { Static } from 'typebox';
import Type from 'typebox';
import { LOG_LEVELS } from '#base/log';
import { LOG_FORMATS } from '#base/log/format';
import { optionsSchema } from '#base/options';
import { urlOption } from '#base/options/url';
import { backupOptions } from '#blocks/backup';
import { databaseOptions } from '#blocks/database';
import { registryOptions } from '#blocks/discovery';
import { xminWatchOptions } from '#blocks/doctor';
import { idempotencyOptions } from '#blocks/idempotency';
import { identityOptions } from '#blocks/identity';
import { idsOptions } from '#blocks/ids';
import { mutationOptions } from '#blocks/mutation';
import { outboxOptions } from '#blocks/outbox';
import { projectionOptions } from '#blocks/projection';
import { queueOptions } from '#blocks/queue';
import { referencesOptions } from '#blocks/references';
import { streamOptions } from '#blocks/stream';
import { traceExportOptions } from '#blocks/telemetry';
import { wakeupOptions } from '#blocks/wakeup';
import { pagesOptions } from './pages/options.ts';
import { SYSTEMS_DEFAULT } from './systems/list.ts';

const corsOptions = optionsSchema(
  {
    origins: Type.Array(urlOption('any_origin'), {
      default: [],
      maxItems: 100,
      description:
        'Origins whose pages may call `/v1` from a browser, with a key in `Authorization`; cookies are not sent along. By default none.',
    }),
  },
  'Calls from pages of other origins (CORS).',
);

const httpOptions = optionsSchema(
  {
    bodyBytesMax: Type.Integer({
      minimum: 1024,
      maximum: 16_777_216,
      default: 1_048_576,
      description: 'Longest body of an API request.',
    }),
    bodiesBytesMax: Type.Integer({
      minimum: 16_777_216,
      maximum: 17_179_869_184,
      default: 67_108_864,
      description: 'The bodies of all requests under way together; past that, one more is answered 503.',
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
    pipelinedMax: Type.Integer({
      minimum: 2,
      maximum: 1000,
      default: 8,
      description:
        'Requests of one connection that are taken before the first of them is answered; what a client has sent beyond waits, mostly in the kernel.',
    }),
    unreadMsMax: Type.Integer({
      minimum: 100,
      maximum: 3_600_000,
      default: 30_000,
      description:
        'A connection on which a client has read nothing of an answer for so long is closed, up to a quarter later.',
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
    metricsAccess: Type.Union([Type.Literal('loopback'), Type.Literal('key')], {
      default: 'loopback',
      description:
        'Who reads /metrics: `loopback`, callers on this machine without a key and others with one; `key`, only callers with one. Take `key` when a proxy runs on the same machine that adds no `X-Forwarded-For`, `Forwarded` or `X-Real-IP` (a tunnel, a TCP proxy), since all that comes through it looks as if it came from here, or when people you do not trust can log in on this machine.',
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
    cors: corsOptions,
  },
  'The HTTP server.',
);

const logOptions = optionsSchema(
  {
    level: Type.Union(LOG_LEVELS.map((level) => Type.Literal(level)) as [], {
      default: 'info',
      description: 'Least severe level that is logged.',
    }),
    anonymousLinesPerSMax: Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      default: 10,
      description:
        'Access log lines a second, process and status for what a caller without a key is answered: what is unknown or gone, wrong addresses, refusals, health. The next line says how many were left out (`leftOut`); metrics count all. 0 logs none.',
    }),
    format: Type.Union(LOG_FORMATS.map((format) => Type.Literal(format)) as [], {
      default: 'auto',
      description:
        '`pretty` is a line an event for people, in colours unless NO_COLOR is set; `json` a JSON object a line; `auto` is `pretty` where standard error is a terminal, and `json` elsewhere.',
    }),
    rawSampleEvery: Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      default: 1000,
      description:
        'One in so many answers of raw routes, such as redirects, gets an access log line, since a line for each costs a third of their throughput; 0 logs none.',
    }),
  },
  'Logs, on standard error.',
);

/** A line end that an environment file has left at the end of a path would make another directory. */
const VISIBLE = '^[^\\u0000-\\u001f\\u007f]+$';
const SYSTEM_ALLOWED = 'a name or a path of 1 to 4096 characters, none of them a control character';

const properties = {
  listen: Type.String({
    default: '127.0.0.1:8080',
    pattern: '^(\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9.-]+):[0-9]{1,5}$',
    allowed: 'HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, with a port from 0 to 65535',
    description: 'Address and port to listen on; port 0 takes a free one.',
  }),
  publicUrl: Type.Optional(
    urlOption('origin', {
      description:
        'The address under which clients reach the server, for short URLs; its origin is used. Default `http://` and `listen`. Never taken from a request.',
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
    pattern: VISIBLE,
    allowed: 'a string of at least 1 character, without control characters',
    default: './data',
    description: 'Directory of everything that the server keeps; relative to the working directory.',
  }),
  systems: Type.Array(
    Type.String({ minLength: 1, maxLength: 4096, pattern: VISIBLE, allowed: SYSTEM_ALLOWED }),
    {
      default: [...SYSTEMS_DEFAULT],
      maxItems: 100,
      description:
        'The systems to run: names of systems that come with Loadstone, or paths (starting with `./`, `../` or `/`) of modules that export one.',
    },
  ),
  pages: pagesOptions,
  http: httpOptions,
  log: logOptions,
  ids: idsOptions,
  identity: identityOptions,
  database: databaseOptions,
  stream: streamOptions,
  outbox: outboxOptions,
  queue: queueOptions,
  idempotency: idempotencyOptions,
  mutation: mutationOptions,
  projection: projectionOptions,
  references: referencesOptions,
  registry: registryOptions,
  wakeup: wakeupOptions,
  backup: backupOptions,
  xmin: xminWatchOptions,
  traces: traceExportOptions,
};

export const serverOptions = optionsSchema(properties);

export type ProcessRole = 'all' | 'api' | 'worker';

export type ServerOptions = Omit<Static<typeof serverOptions>, 'log'> & {
  log: {
    level: (typeof LOG_LEVELS)[number];
    format: (typeof LOG_FORMATS)[number];
    anonymousLinesPerSMax: number;
    rawSampleEvery: number;
  };
};
