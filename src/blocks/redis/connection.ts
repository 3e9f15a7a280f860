/**
 * The client, behind what is needed of it: a way to one server, and one to a Cluster. Commands are never kept for later: without
 * a connection they are refused, and what is under way when a connection ends is too.
 */
import {
  createClient,
  createCluster,
  ErrorReply,
  type RedisClientOptions,
  type RedisClusterOptions,
} from '@redis/client';
import { type Backoff, backoffMs } from '#base/backoff';
import type { Runtime } from '#base/runtime';
import type { RedisOptions } from './options.ts';
import { slotOf } from './slot.ts';

export type Argument = string | Buffer;
/** As the server gives it; errors are thrown. */
export type Reply = string | number | boolean | null | Reply[] | { [key: string]: Reply };

export interface Connection {
  /** Resolves when it is there; goes on trying until `close`. Rejects when closed first. */
  open(): Promise<void>;
  /** Who would be asked about the key. @returns undefined when nobody is known */
  serverOf(key: string): string | undefined;
  /** @throws what the client throws */
  send(key: string, command: readonly Argument[]): Promise<Reply>;
  isReady(): boolean;
  /** What is under way is rejected. */
  close(): void;
}

export interface ConnectionDeps extends Pick<Runtime, 'random' | 'log'> {}

/** An error that the server has answered with. */
export const isAnswer = (error: unknown): error is Error => error instanceof ErrorReply;

const RECONNECT_BASE_MS = 50;

/** Without what is secret in it. */
export function serverName(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || 6379}`;
}

function clientOptions(options: RedisOptions, { random }: ConnectionDeps): RedisClientOptions {
  const { connectMsMax, reconnectMsMax, silentMsMax, bulkhead } = options;
  const backoff: Backoff = { baseMs: Math.min(RECONNECT_BASE_MS, reconnectMsMax), maxMs: reconnectMsMax };
  return {
    disableOfflineQueue: true,
    // Those that were given up and are still unanswered, beside those under way.
    commandsQueueMaxLength: bulkhead.concurrencyMax * 4 + 64,
    pingInterval: Math.ceil(silentMsMax / 3),
    socket: {
      connectTimeout: connectMsMax,
      socketTimeout: silentMsMax,
      reconnectStrategy: (retries) => backoffMs(backoff, retries + 1, random),
    },
  };
}

/** Errors of connections come again with each attempt, and are told once until it is there. */
function createTeller(server: string, { log }: ConnectionDeps) {
  let isTold = false;
  return {
    failed(error: unknown): void {
      if (!isTold) log.warn({ redis: server, err: error }, 'a connection to Redis has failed');
      isTold = true;
    },
    ready(): void {
      if (isTold) log.info({ redis: server }, 'a connection to Redis is there again');
      isTold = false;
    },
  };
}

/** To one server. */
export function createServerConnection(url: string, options: RedisOptions, deps: ConnectionDeps): Connection {
  const name = serverName(url);
  const client = createClient({ url, ...clientOptions(options, deps) });
  const teller = createTeller(name, deps);
  client.on('error', teller.failed);
  client.on('ready', teller.ready);
  return {
    open: async () => void (await client.connect()),
    serverOf: () => name,
    send: (_, command) => client.sendCommand<Reply>([...command]),
    isReady: () => client.isReady,
    close() {
      if (client.isOpen) client.destroy();
    },
  };
}

/** To a Cluster, of which some servers are named. */
export function createClusterConnection(options: RedisOptions, deps: ConnectionDeps): Connection {
  const defaults = clientOptions(options, deps);
  const { username, password } = new URL(options.urls[0] ?? 'redis://');
  const cluster = createCluster({
    rootNodes: options.urls.map((url) => ({ url })),
    defaults: {
      ...defaults,
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    } as NonNullable<RedisClusterOptions['defaults']>,
  });
  const teller = createTeller('cluster', deps);
  cluster.on('error', teller.failed);
  cluster.on('node-error', teller.failed);
  cluster.on('node-ready', teller.ready);
  return {
    open: async () => void (await cluster.connect()),
    serverOf: (key) => cluster.slots[slotOf(key)]?.master.address,
    send: (key, command) => cluster.sendCommand<Reply>(key, false, [...command]),
    isReady: () => cluster.isReady,
    close() {
      if (cluster.isOpen) cluster.destroy();
    },
  };
}
