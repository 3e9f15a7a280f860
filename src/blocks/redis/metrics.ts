import type { Metrics } from '#base/metrics';

export interface RedisCounts {
  /** @param result `ok`, or the code of the error */
  count(server: string, result: string): void;
}

/** What commands came to, by server. Breakers and bulkheads measure themselves. */
export function createRedisMetrics(metrics: Metrics): RedisCounts {
  const commands = metrics.counter('loadstone_redis_commands_total', {
    help: 'Commands to Redis, by server and by what came of them',
    labels: { server: { of: 'servers' }, result: { of: 'results' } },
  });
  return { count: (server, result) => commands.inc({ server, result }) };
}
