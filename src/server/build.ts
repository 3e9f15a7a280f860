/**
 * The composition root: every part of a server, put together in the order in which it starts.
 */
import { resolve } from 'node:path';
import type { Clock } from '#base/clock';
import { composeLifecycles, type Lifecycle, lifecycleErrors } from '#base/lifecycle';
import type { Log } from '#base/log';
import { deferMasterKey, loadMasterKey } from '#base/master-key';
import type { Random } from '#base/random';
import { createSignals } from '#base/signals';
import { createTracer } from '#base/trace';
import { lockDirectory } from '#blocks/database';
import { createIdentity } from '#blocks/identity';
import type { SystemDefinition } from '#blocks/system';
import { createDataDirectory } from './data-directory.ts';
import { createGround } from './ground.ts';
import { localUrl } from './listen-address.ts';
import { createListener } from './listener.ts';
import type { ServerOptions } from './options.ts';
import { createRooms } from './rooms.ts';

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

/** @param systemOptions each system's parsed options, by its name */
export function createServer(
  options: ServerOptions,
  systemOptions: Readonly<Record<string, unknown>>,
  definitions: readonly SystemDefinition[],
  deps: ServerDeps,
): Server {
  const { random, secrets } = deps;
  const dataDirectory = resolve(options.data);
  const signals = createSignals();
  const tracer = createTracer(random);
  const stopping = new AbortController();

  const listener = createListener(options, {
    ...deps,
    tracer,
    onCutOff: () => stopping.abort(lifecycleErrors.stopped()),
  });
  const { masterKey, set: setMasterKey } = deferMasterKey();
  const ground = createGround(options, definitions, { ...deps, signals, tracer, masterKey, dataDirectory });
  const identity = createIdentity({ rootKey: secrets.rootKey }, { ...deps, core: ground.database.core });
  const publicUrl = () => (options.publicUrl ?? localUrl(listener.address())).replace(/\/$/, '');

  const rooms = createRooms(options, systemOptions, definitions, {
    ...deps,
    signals,
    tracer,
    ground,
    identity,
    listener,
    publicUrl,
    health: () => whole.health(),
    stopping: stopping.signal,
  });

  const directory = createDataDirectory(dataDirectory, (path) => {
    const held = options.database.primary === undefined ? { release() {} } : lockDirectory(path, random);
    setMasterKey(loadMasterKey(path, secrets.masterKey, random));
    return held;
  });
  const whole = composeLifecycles('server', [
    directory,
    listener.port,
    ground,
    identity,
    ground.projections,
    ground.references,
    ground.xminWatch,
    rooms,
    listener.front,
  ]);

  return {
    ...whole,
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
