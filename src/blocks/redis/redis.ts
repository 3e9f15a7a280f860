/**
 * Commands to Redis: to one server, to the one of several that the ring says, or to a Cluster. Each server has a breaker and a
 * bulkhead of its own, so that one that hangs takes nothing from the others, and each command a deadline.
 */
import { sleep } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import { type Breaker, type Bulkhead, createBreaker, createBulkhead } from '#blocks/resilience';
import { createRing } from '#blocks/ring';
import {
  type Argument,
  type Connection,
  createClusterConnection,
  createServerConnection,
  isAnswer,
  type Reply,
  serverName,
} from './connection.ts';
import { redisErrors } from './errors.ts';
import { createRedisMetrics } from './metrics.ts';
import type { RedisOptions } from './options.ts';
import { isUnknownScript, type Script } from './script.ts';

export interface Redis extends Lifecycle {
  /**
   * Runs one command on the server that has `key`; all other keys in it must be there too. A signal ends the wait for
   * its turn; what is under way ends by its deadline.
   * @throws redis_unavailable, redis_timeout, redis_refused, breaker_open, bulkhead_full
   */
  run(key: string, command: readonly Argument[], signal?: AbortSignal): Promise<Reply>;
  /** Runs a Lua script on the server that has `key`, sent whole only when the server does not know it. @throws as `run` */
  runScript(key: string, script: Script, args: ScriptArguments, signal?: AbortSignal): Promise<Reply>;
  /** The name of the server that has the key; undefined while a Cluster has not said. */
  serverOf(key: string): string | undefined;
}

export interface ScriptArguments {
  keys: readonly string[];
  args: readonly Argument[];
}

export interface RedisDeps extends Runtime {
  metrics: Metrics;
}

interface Guards {
  breaker: Breaker;
  bulkhead: Bulkhead;
}

/** Answers by which a server says that it cannot now, not that the command is wrong. */
const NOT_NOW = /^(LOADING|OOM|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS)\b/;

function translate(error: unknown, server: string): Error {
  if (isLoadstoneError(error)) return error;
  if (isAnswer(error) && !NOT_NOW.test(error.message)) {
    return redisErrors.redis_refused({ detail: `${server}: ${error.message}`, cause: error });
  }
  return redisErrors.redis_unavailable({ detail: `${server} cannot be asked`, cause: error, retryAfterS: 1 });
}

const tellsIllness = (error: unknown) =>
  isLoadstoneError(error) && (error.code === 'redis_unavailable' || error.code === 'redis_timeout');

/** By the key, which connection. */
function createRoute(
  options: RedisOptions,
  deps: RedisDeps,
): { all: Connection[]; of(key: string): Connection } {
  if (options.isCluster) {
    const cluster = createClusterConnection(options, deps);
    return { all: [cluster], of: () => cluster };
  }
  const all = options.urls.map((url) => createServerConnection(url, options, deps));
  const ring = createRing(
    options.placement,
    options.urls.map((url) => ({ name: serverName(url) })),
  );
  return { all, of: (key) => all[ring.indexOf(key)] as Connection };
}

/** @param options at least one URL @throws ring_nodes_invalid for a server that is there twice */
export function createRedis(options: RedisOptions, deps: RedisDeps): Redis {
  const { clock, metrics, log } = deps;
  const { commandMsMax, connectMsMax } = options;
  const route = createRoute(options, deps);
  const counts = createRedisMetrics(metrics);
  const guards = new Map<string, Guards>();

  /** Of a Cluster the servers are known when it has told of them; there are as many as it has. */
  function guardsOf(server: string): Guards {
    const known = guards.get(server);
    if (known) return known;
    const name = `redis ${server}`;
    const made: Guards = {
      breaker: createBreaker(options.breaker, { ...deps, name, isFailure: tellsIllness }),
      bulkhead: createBulkhead(options.bulkhead, { name, clock, metrics }),
    };
    guards.set(server, made);
    return made;
  }

  /** What is late may still be answered: the client reads that answer, and nobody waits for it. */
  function ask(
    connection: Connection,
    server: string,
    key: string,
    command: readonly Argument[],
  ): Promise<Reply> {
    if (!connection.isReady()) return Promise.reject(translate(new Error('there is no connection'), server));
    return new Promise((resolve, reject) => {
      const timer = clock.after(commandMsMax, () =>
        reject(redisErrors.redis_timeout({ detail: `${server} has not answered within ${commandMsMax} ms` })),
      );
      connection.send(key, command).then(
        (reply) => {
          timer.cancel();
          resolve(reply);
        },
        (error: unknown) => {
          timer.cancel();
          reject(translate(error, server));
        },
      );
    });
  }

  async function run(key: string, command: readonly Argument[], signal?: AbortSignal): Promise<Reply> {
    const connection = route.of(key);
    const server = connection.serverOf(key);
    if (server === undefined) {
      throw redisErrors.redis_unavailable({ detail: 'the servers of the Cluster are not known yet' });
    }
    const { breaker, bulkhead } = guardsOf(server);
    try {
      const attempt = () => breaker.run(() => ask(connection, server, key, command));
      const reply = await bulkhead.run(attempt, signal);
      counts.count(server, 'ok');
      return reply;
    } catch (error) {
      counts.count(server, isLoadstoneError(error) ? error.code : 'aborted');
      throw error;
    }
  }

  const lifecycle = createLifecycle('redis', {
    async start(signal) {
      const opened = route.all.map((connection) =>
        connection.open().catch((error: unknown) => {
          // Only a close ends the attempts; what was wrong with each of them has been told.
          log.debug({ err: error }, 'a connection to Redis was closed before it was there');
        }),
      );
      // A server that is not there keeps nobody from starting: what is asked of it is refused.
      const done = new AbortController();
      const late = sleep(clock, connectMsMax, AbortSignal.any([signal, done.signal]));
      await Promise.race([Promise.all(opened), late]).finally(() => done.abort());
    },
    async stop() {
      for (const connection of route.all) connection.close();
    },
  });

  return {
    ...lifecycle,
    run,
    async runScript(key, script, { keys, args }, signal) {
      const rest = [String(keys.length), ...keys, ...args];
      try {
        return await run(key, ['EVALSHA', script.sha1, ...rest], signal);
      } catch (error) {
        if (!isUnknownScript(error)) throw error;
        return run(key, ['EVAL', script.source, ...rest], signal);
      }
    },
    serverOf: (key) => route.of(key).serverOf(key),
  };
}
