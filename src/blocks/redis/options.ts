import type { Static } from 'typebox';
import Type from 'typebox';
import { optionsSchema } from '#base/options';
import { breakerOptions, bulkheadOptions } from '#blocks/resilience';
import { ringOptions } from '#blocks/ring';

/** Servers that are named; a Cluster may have more, which it names itself. */
const SERVERS_MAX = 100;

export const redisOptions = optionsSchema(
  {
    urls: Type.Array(
      Type.String({
        pattern: '^rediss?://.+',
        maxLength: 1024,
        secret: true,
        allowed: 'redis://… or rediss://…',
        description: 'A server: `redis://[user:password@]host[:port][/number]`, `rediss` for TLS.',
      }),
      {
        maxItems: SERVERS_MAX,
        default: [],
        description: 'The servers. Of several each has its share of the keys.',
      },
    ),
    isCluster: Type.Boolean({
      default: false,
      description:
        'They are some of the servers of a Redis Cluster, which says where keys are. Otherwise `placement` does.',
    }),
    placement: ringOptions,
    connectMsMax: Type.Integer({
      minimum: 50,
      maximum: 60_000,
      default: 1000,
      description:
        'A connection that is not there after so long is tried again. A start waits no longer for it either.',
    }),
    reconnectMsMax: Type.Integer({
      minimum: 50,
      maximum: 60_000,
      default: 2000,
      description: 'Between attempts to connect passes at most so long; at first 50 ms, doubled each time.',
    }),
    commandMsMax: Type.Integer({
      minimum: 1,
      maximum: 60_000,
      default: 250,
      description: 'A command that is not answered within this is given up.',
    }),
    silentMsMax: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 5000,
      description:
        'A connection on which nothing has moved for so long is replaced. A third of it after the last word a healthy one is asked for a sign of life.',
    }),
    breaker: breakerOptions,
    bulkhead: bulkheadOptions,
  },
  'Redis.',
);

export type RedisOptions = Static<typeof redisOptions>;
