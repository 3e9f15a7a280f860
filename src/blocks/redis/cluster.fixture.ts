/**
 * A Redis Cluster of three servers without replicas, each with a third of the slots.
 */
import { eventually } from '#base/testing/eventually.fixture';
import { freePort, type RedisServer, startRedis } from './server.fixture.ts';

const SLOTS = 16_384;
const NODES = 3;
/** After which a node that does not answer is held for failed by the others. */
const NODE_TIMEOUT_MS = 1000;

export interface RedisCluster {
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

async function startNode(): Promise<{ server: RedisServer; busPort: number }> {
  const busPort = await freePort();
  const server = await startRedis(
    ...['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`],
    ...['--cluster-node-timeout', `${NODE_TIMEOUT_MS}`, '--cluster-require-full-coverage', 'no'],
  );
  return { server, busPort };
}

export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes = [];
  for (let i = 0; i < NODES; i++) nodes.push(await startNode());
  const servers = nodes.map(({ server }) => server);
  for (const [i, { server }] of nodes.entries()) {
    const from = Math.ceil((i * SLOTS) / NODES);
    const to = Math.ceil(((i + 1) * SLOTS) / NODES) - 1;
    server.ask('CLUSTER', 'ADDSLOTSRANGE', from, to);
    server.ask('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
  }
  for (const { server, busPort } of nodes.slice(1)) {
    servers[0]?.ask('CLUSTER', 'MEET', '127.0.0.1', server.port, busPort);
  }
  await eventually('each knows of all slots', () =>
    servers.every((server) => {
      const info = server.ask('CLUSTER', 'INFO');
      return info.includes('cluster_state:ok') && info.includes(`cluster_slots_ok:${SLOTS}`);
    }),
  );
  return {
    servers,
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
