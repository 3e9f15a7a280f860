/**
 * A server of several processes under load, with each failed request held against what was done to the server: a request
 * may fail only if its connection was to a process that has been killed.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import { eventually } from '#base/testing/eventually.fixture';
import type { Loadstone } from '../process.fixture.ts';

/** The pids of the processes that serve, by their number. */
export function childrenOf(server: Pick<Loadstone, 'stdout'>): Map<number, number> {
  const lines = server.stdout().matchAll(/ s {2}process (\d+) listens \(pid (\d+)\)\n/g);
  return new Map([...lines].map(([, number, pid]) => [Number(number), Number(pid)]));
}

/** A signal of the whole installation, without labels or summed over them. */
export async function readMetric(server: Pick<Loadstone, 'request'>, name: string): Promise<number> {
  const text = await (await server.request('/metrics')).text();
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** The clients' ports of the connections that a process has, as the kernel knows them. */
function clientPortsOf(pid: number): Set<number> {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n').slice(1);
  return new Set(
    rows
      .map((row) => row.trim().split(/\s+/))
      .filter((fields) => inodes.has(fields[9] ?? ''))
      .map((fields) => Number.parseInt(fields[2]?.split(':')[1] ?? '0', 16)),
  );
}

/** Stops a process for good. @returns the clients' ports of its connections: it takes no more */
export function freeze(pid: number): Set<number> {
  process.kill(pid, 'SIGSTOP');
  return clientPortsOf(pid);
}

/** Kills a process. @returns the clients' ports of the connections that were cut */
export function cut(pid: number): Set<number> {
  const ports = freeze(pid);
  process.kill(pid, 'SIGKILL');
  return ports;
}

export interface Failure {
  what: string;
  why: string;
  /** Of the client; undefined when it could not even connect. */
  port: number | undefined;
}

export interface Load {
  readonly failures: Failure[];
  answered(): number;
  /** The codes of links that were acknowledged, and where they lead. */
  readonly acknowledged: Map<string, string>;
  stop(): Promise<void>;
}

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

interface Ask {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string;
}

/** One request, never tried again by itself. */
function ask(server: Loadstone, agent: Agent | false, { body, ...asked }: Ask): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  const authorization = `Bearer ${server.key}`;
  let local: number | undefined;
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(Object.assign(error, { port: local }));
    const request = send({
      ...asked,
      hostname,
      port,
      agent,
      headers: { ...asked.headers, authorization },
    });
    request.on('socket', (socket) => {
      local = socket.localPort;
      if (!socket.connecting) return;
      socket.once('connect', () => {
        local = socket.localPort;
      });
    });
    request.on('error', fail);
    request.on('response', (response) => {
      response.on('error', fail);
      response
        .toArray()
        .then(
          (chunks) =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text: chunks.join('') }),
          fail,
        );
    });
    request.end(body);
  });
}

/** Clients that follow `code` and make links, half of them over connections that they keep, half over one each time. */
export function startLoad(server: Loadstone, code: string, clients = 8): Load {
  const failures: Failure[] = [];
  const acknowledged = new Map<string, string>();
  let answered = 0;
  let made = 0;
  let isOver = false;

  async function once(agent: Agent | false, asked: Ask, expected: number): Promise<Answer | undefined> {
    const what = `${asked.method} ${asked.path}, ${agent ? 'kept connection' : 'new connection'}`;
    try {
      const answer = await ask(server, agent, asked);
      if (answer.status === expected) answered += 1;
      else failures.push({ what, why: `${answer.status} ${answer.text}`, port: undefined });
      return answer;
    } catch (error) {
      failures.push({ what, why: String(error), port: (error as { port?: number }).port });
      return undefined;
    }
  }

  async function shorten(agent: Agent | false): Promise<void> {
    made += 1;
    const url = `https://example.com/${made}`;
    const headers = { 'content-type': 'application/json', 'idempotency-key': `key-${made}` };
    const asked = { method: 'POST', path: '/v1/shorten', headers, body: JSON.stringify({ url }) };
    for (let answer: Answer | undefined; answer?.status !== 201 && !isOver; ) {
      answer = await once(agent, asked, 201);
      if (answer?.status !== 201) continue;
      const { code: given } = JSON.parse(answer.text) as { code: string };
      assert(!acknowledged.has(given), `${given} was given out twice`);
      acknowledged.set(given, url);
    }
  }

  async function client(agent: Agent | false): Promise<void> {
    while (!isOver) {
      for (let i = 0; i < 10 && !isOver; i++) {
        await once(agent, { method: 'GET', path: `/${code}`, headers: {} }, 302);
      }
      if (!isOver) await shorten(agent);
    }
    if (agent) agent.destroy();
  }

  const running = Array.from({ length: clients }, (_, i) =>
    client(i % 2 === 0 && new Agent({ keepAlive: true, maxSockets: 1 })),
  );
  return {
    failures,
    answered: () => answered,
    acknowledged,
    async stop() {
      isOver = true;
      await Promise.all(running);
    },
  };
}

/** So that what follows happens under load. */
export async function moreAnswers(load: Load, count: number): Promise<void> {
  const before = load.answered();
  await eventually(`${count} more answers`, () => load.answered() >= before + count);
}

/** No request failed but those whose connections were cut. */
export function assertOnlyCut({ failures }: Load, ports: ReadonlySet<number>): void {
  const others = failures.filter(({ port }) => port === undefined || !ports.has(port));
  assert.deepEqual(others, []);
}

/** Every link that was acknowledged leads where it should. */
export async function assertKept(server: Loadstone, { acknowledged }: Load): Promise<void> {
  for (const [code, url] of acknowledged) assert.equal(await server.follow(code), url);
}

/** Until so many processes serve, as the installation itself says. */
export async function serving(server: Loadstone, count: number): Promise<void> {
  await eventually(
    `${count} processes serve`,
    async () => (await readMetric(server, 'loadstone_processes_serving')) === count,
  );
}

/** Requests that wait in the kernel's queue while no process takes any. */
export async function queueUp(server: Loadstone, code: string, count: number): Promise<Promise<Answer>[]> {
  const asked = Array.from({ length: count }, () =>
    ask(server, false, { method: 'GET', path: `/${code}`, headers: {} }),
  );
  for (const each of asked) each.catch(() => {});
  const { port } = new URL(server.url);
  const hex = Number(port).toString(16).toUpperCase().padStart(4, '0');
  await eventually('they wait', () => {
    // In the row of a socket that listens, the receive queue is what waits to be accepted (proc(5), tcp_get_info).
    const row = readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .find((fields) => fields[1]?.endsWith(`:${hex}`) && fields[3] === '0A');
    return Number.parseInt(row?.[4]?.split(':')[1] ?? '0', 16) >= count;
  });
  return asked;
}
