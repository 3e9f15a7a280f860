/**
 * The composition root: every part of a server, put together in the order in which it starts.
 */
import { resolve } from 'node:path';
import type { Clock } from '#base/clock';
import { composeLifecycles, createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import { loadMasterKey } from '#base/master-key';
import type { Random } from '#base/random';
import { createSignals } from '#base/signals';
import { createDatabase, lockDirectory, type MigrationSet } from '#blocks/database';
import { createIdentity, identityMigrations } from '#blocks/identity';
import { createIds, createPostgresWorkerLeases, idsMigrations } from '#blocks/ids';
import type { System, SystemDefinition } from '#blocks/system';
import { createApi } from './api.ts';
import { createDataDirectory } from './data-directory.ts';
import { createHotDeps } from './hot.ts';
import { formatListen, localUrl } from './listen-address.ts';
import { createListener } from './listener.ts';
import type { ServerOptions } from './options.ts';
import { addOwnRoutes } from './own-routes.ts';
import { createTracer } from './trace.ts';

/** What is given from outside the configuration. */
export interface ServerSecrets {
  rootKey: string | undefined;
  masterKey: string | undefined;
}

export interface ServerDeps {
  clock: Clock;
  random: Random;
  log: Log;
  secrets: ServerSecrets;
  /** Told in a person's words what the start is doing. */
  report: (line: string) => void;
}

export interface Server extends Lifecycle {
  /** Valid once started. */
  readonly publicUrl: string;
  /** An address for clients on this machine; valid once started. */
  readonly localUrl: string;
  readonly dataDirectory: string;
  /** The API key made by this start, if it was the first; given once. */
  takeFirstKey(): string | undefined;
}

function migrationsOf(definitions: readonly SystemDefinition[]): MigrationSet[] {
  return definitions.flatMap(({ name, migrations }) =>
    migrations ? [{ room: name, schema: name, directory: migrations }] : [],
  );
}

/** @param systemOptions each system's parsed options, by its name */
export function createServer(
  options: ServerOptions,
  systemOptions: Readonly<Record<string, unknown>>,
  definitions: readonly SystemDefinition[],
  deps: ServerDeps,
): Server {
  const { clock, random, log, report, secrets } = deps;
  const dataDirectory = resolve(options.data);
  const signals = createSignals();
  const tracer = createTracer(random);
  const stopping = new AbortController();

  const listener = createListener(options, { clock, log, tracer });
  const database = createDatabase(options.database, {
    clock,
    random,
    log,
    signals,
    report,
    dataDirectory,
    migrations: [idsMigrations, identityMigrations, ...migrationsOf(definitions)],
  });
  const ids = createIds(options.ids, {
    clock,
    random,
    log,
    store: createPostgresWorkerLeases(database.core),
  });
  const identity = createIdentity({ rootKey: secrets.rootKey }, { core: database.core, clock, random });
  const publicUrl = () => (options.publicUrl ?? localUrl(listener.address())).replace(/\/$/, '');

  let systems: System[] = [];
  const running: Lifecycle[] = [];
  const rooms = createLifecycle('systems', {
    async start(signal) {
      const hot = createHotDeps({ sampleEvery: options.log.hotSampleEvery }, { clock, log, tracer });
      const given = { clock, random, log, signals, database, ids, hot };
      const addresses = { publicUrl: publicUrl(), listen: formatListen(listener.address()) };
      systems = definitions.map((each) =>
        each.create(systemOptions[each.name] as never, { ...given, ...addresses }),
      );
      for (const { lifecycle } of systems) {
        if (!lifecycle) continue;
        running.push(lifecycle);
        await lifecycle.start(signal);
      }
      await connect();
    },
    async stop(deadline) {
      for (const lifecycle of running.toReversed()) await lifecycle.stop(deadline);
    },
    health: () =>
      running.map((each) => each.health()).find((each) => each.status === 'failing') ?? { status: 'ok' },
  });

  /** Lets the listener hand requests to the systems' hot paths and, past those, to the API. */
  async function connect(): Promise<void> {
    const api = await createApi(
      { ...options.http, trustedProxies: options.trustedProxies, publicUrl: publicUrl() },
      { clock, log, signals, tracer, identity, stopping: stopping.signal },
      systems.flatMap((system) => system.routes),
      (app) => addOwnRoutes(app, { signals, identity, health: () => whole.health() }),
    );
    const hotPaths = systems.flatMap((system) => (system.hot ? [system.hot] : []));
    listener.setHandler((request, response) => {
      for (const hot of hotPaths) if (hot(request, response)) return;
      api.routing(request, response);
    });
  }

  const directory = createDataDirectory(dataDirectory, (path) => {
    const held = options.database.primary === undefined ? { release() {} } : lockDirectory(path, random);
    loadMasterKey(path, secrets.masterKey, random);
    return held;
  });
  const whole = composeLifecycles('server', [
    directory,
    listener.port,
    database,
    ids,
    identity,
    rooms,
    listener.front,
  ]);

  return {
    ...whole,
    async stop(deadline) {
      deadline.addEventListener('abort', () => stopping.abort(deadline.reason), { once: true });
      await whole.stop(deadline);
    },
    get publicUrl() {
      return publicUrl();
    },
    get localUrl() {
      return localUrl(listener.address());
    },
    dataDirectory,
    takeFirstKey: identity.takeFirstKey,
  };
}
