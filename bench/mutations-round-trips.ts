/**
 * How often one mutation waits for Postgres, counted on the wire: a second server, which finds its Postgres only behind
 * a proxy that keeps every answer back until the server has had time to say all that it can say without it.
 */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Workplace } from './bench.ts';
import type { Client } from './links.ts';
import { startLoadstone } from './loadstone.ts';
import { ROOT } from './machine.ts';
import { clientConfig, type Postgres, type PostgresAddress } from './postgres-usage.ts';

/** A server that can go on without an answer does so in the same tick, also on a busy machine. */
const QUIET_MS = 20;
const MUTATIONS = 40;
const WARM_UP = 25;
const SOCKET_NAME = '.s.PGSQL.5432';
const ROLE_OF_REQUESTS = 'role=loadstone_app';
const SYNC = 'S'.charCodeAt(0);
const QUERY = 'Q'.charCodeAt(0);

export interface RoundTrips {
  /** Of each counted mutation. */
  waits: number[];
  statements: number[];
}

interface CountingProxy {
  directory: string;
  /** Since the last call, by sessions that act as the role of requests. */
  take(): { waits: number; statements: number };
  close(): void;
}

/** How many messages ask for an answer: Sync ends an extended query, Query is a simple one. */
function createStatementCounter(): (data: Buffer) => number {
  let rest = Buffer.alloc(0);
  return (data) => {
    rest = Buffer.concat([rest, data]);
    let statements = 0;
    while (rest.length >= 5 && rest.length >= 1 + rest.readInt32BE(1)) {
      if (rest[0] === SYNC || rest[0] === QUERY) statements += 1;
      rest = rest.subarray(1 + rest.readInt32BE(1));
    }
    return statements;
  };
}

async function startProxy(socketDirectory: string, directory: string): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  const counted = { waits: 0, statements: 0 };

  function serve(client: Socket): void {
    const server = connect(join(socketDirectory, SOCKET_NAME));
    const countStatements = createStatementCounter();
    let held: Buffer[] = [];
    let isOfRequests: boolean | undefined;
    let quiet: NodeJS.Timeout | undefined;

    function release(): void {
      quiet = undefined;
      if (held.length === 0) return;
      counted.waits += 1;
      client.write(Buffer.concat(held));
      held = [];
    }
    function waitForQuiet(): void {
      clearTimeout(quiet);
      quiet = setTimeout(release, QUIET_MS);
    }
    client.on('data', (data) => {
      // The first message names the role.
      const isFirst = isOfRequests === undefined;
      isOfRequests ??= data.includes(ROLE_OF_REQUESTS);
      server.write(data);
      if (!isOfRequests) return;
      if (!isFirst) counted.statements += countStatements(data);
      waitForQuiet();
    });
    server.on('data', (data) => {
      if (!isOfRequests) return void client.write(data);
      held.push(data);
      if (!quiet) waitForQuiet();
    });
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        clearTimeout(quiet);
        client.destroy();
        server.destroy();
      });
    }
  }

  mkdirSync(directory);
  const listener = createServer(serve).listen(join(directory, SOCKET_NAME));
  await once(listener, 'listening');
  return {
    directory,
    take() {
      const taken = { ...counted };
      counted.waits = 0;
      counted.statements = 0;
      return taken;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
}

/** @throws Error when a link is not created */
async function countEach(
  client: Client,
  url: string,
  key: string,
  proxy: CountingProxy,
): Promise<RoundTrips> {
  const counted: RoundTrips = { waits: [], statements: [] };
  for (let i = 0; i < WARM_UP + MUTATIONS; i++) {
    proxy.take();
    const body = { url: `https://example.com/counted/${i}`, ttl: 86_400 };
    const headers = { 'idempotency-key': `counted-${i}` };
    const answer = await client.call(`${url}/v1/links`, { method: 'POST', key, body, headers });
    if (answer.status !== 201) throw new Error(`creating a link: ${answer.status} ${answer.body}`);
    if (i < WARM_UP) continue;
    const { waits, statements } = proxy.take();
    counted.waits.push(waits);
    counted.statements.push(statements);
  }
  return counted;
}

/** @param postgres whose server is idle; the second one gets a database of its own there */
export async function countRoundTrips(
  workplace: Workplace,
  client: Client,
  { postgres, address, key }: { postgres: Postgres; address: PostgresAddress; key: string },
): Promise<RoundTrips> {
  const { directory } = workplace;
  await postgres.client.query('create database counted strategy file_copy');
  const proxy = await startProxy(address.socketDirectory, join(directory, 'proxy'));
  const host = encodeURIComponent(proxy.directory);
  const primary = `postgres://${clientConfig(address).user}@/counted?host=${host}`;
  const configFile = join(directory, 'counted.yaml');
  writeFileSync(configFile, `database:\n  primary: ${JSON.stringify(primary)}\n`);
  const command = [process.execPath, join(ROOT, 'src/cli/main.ts'), 'start'];
  const place = { directory: join(directory, 'counted'), configFile, key };
  const server = startLoadstone(workplace, place, command, { hasChannel: true });
  try {
    return await countEach(client, await server.address, key, proxy);
  } finally {
    await server.child.stop();
    proxy.close();
    await postgres.client.query('drop database counted');
  }
}
