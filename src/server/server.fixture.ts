/**
 * A whole server in this process, on a free port and a temporary data directory, gone when stopped.
 */
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { type Clock, systemClock } from '#base/clock';
import { createLog } from '#base/log';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { makeTestDirectory } from '#fixtures/database';
import { createServer, type Server } from './build.ts';
import { copyMigrated } from './migrated.fixture.ts';
import { type ServerOptions, serverOptions } from './options.ts';
import { loadSystems } from './systems/systems.ts';

export const ROOT_KEY = 'a-root-key-for-tests-only-0123456789';

export interface TestServer {
  server: Server;
  url: string;
  port: number;
  key: string;
  /** Parsed log lines so far. */
  logs: Record<string, unknown>[];
  /** `fetch` with the key, redirects not followed. */
  call(path: string, init?: RequestInit): Promise<Response>;
  /** `call` with a JSON body. */
  send(method: string, path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Sends raw bytes and gives everything that comes back until the server closes or `until` matches. */
  raw(text: string | Buffer, until?: RegExp): Promise<string>;
  stop(): Promise<void>;
}

export interface TestServerOptions {
  options?: Record<string, unknown>;
  systems?: readonly string[];
  /** Each system's raw options, by its name. */
  systemOptions?: Record<string, unknown>;
  clock?: Clock;
  /** Keeps data from an earlier server. */
  dataDirectory?: string;
  /** It makes its database itself; by default it finds one that has been prepared. */
  isFresh?: boolean;
  /** By default one of its own. */
  masterKey?: string;
}

export async function startTestServer(given: TestServerOptions = {}): Promise<TestServer> {
  const dataDirectory = given.dataDirectory ?? makeTestDirectory();
  const systems = given.systems ?? ['links'];
  const options = parseOptions(serverOptions, {
    listen: '127.0.0.1:0',
    data: dataDirectory,
    ...given.options,
  }) as ServerOptions;
  const definitions = await loadSystems(systems, process.cwd());
  const systemOptions = Object.fromEntries(
    definitions.map(({ name, options: schema }) => [
      name,
      parseOptions(schema, given.systemOptions?.[name], name),
    ]),
  );
  const logs: Record<string, unknown>[] = [];
  const log = createLog(
    { level: 'debug', service: 'test' },
    { write: (line) => logs.push(JSON.parse(line)) },
  );
  const server = createServer(options, systemOptions, definitions, {
    clock: given.clock ?? systemClock,
    random: systemRandom,
    log,
    secrets: { rootKey: ROOT_KEY, masterKey: given.masterKey },
    report: () => {},
  });
  if (!given.isFresh) await copyMigrated(dataDirectory);
  await server.start(new AbortController().signal);

  const stop = async () => {
    await server.stop(AbortSignal.timeout(300_000));
    if (given.dataDirectory === undefined) rmSync(dataDirectory, { recursive: true, force: true });
  };
  const url = server.localUrl;
  const port = Number(new URL(url).port);
  const authorization = `Bearer ${ROOT_KEY}`;

  const call: TestServer['call'] = (path, init = {}) =>
    fetch(`${url}${path}`, {
      redirect: 'manual',
      ...init,
      headers: { authorization, ...(init.headers as Record<string, string>) },
    });
  return {
    server,
    url,
    port,
    key: ROOT_KEY,
    logs,
    call,
    send: (method, path, body, headers = {}) =>
      call(path, {
        method,
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      }),
    raw: (text, until) => exchange(port, text, until),
    stop,
  };
}

function exchange(port: number, text: string | Buffer, until: RegExp | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let received = '';
    const finish = () => {
      socket.destroy();
      resolve(received);
    };
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      received += chunk;
      if (until?.test(received)) finish();
    });
    socket.on('close', () => resolve(received));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve(received);
      else reject(error);
    });
  });
}

/** Asserts nothing: reads a problem document. */
export async function problem(response: Response): Promise<Record<string, unknown> & { code: string }> {
  return (await response.json()) as Record<string, unknown> & { code: string };
}
