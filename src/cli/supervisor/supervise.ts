/**
 * `start --processes N`: one process that owns the data directory and the embedded Postgres, and N that serve. It answers
 * no request and runs no system, so that little can crash it. If it is killed all the same, the others end by themselves,
 * as does Postgres.
 */

import { once } from 'node:events';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { relative } from 'node:path';
import { composeLifecycles, createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Runtime } from '#base/runtime';
import type { Server } from '#server/build';
import { formatListen, localUrl, parseListen } from '#server/http/listen-address';
import { createOwner } from '#server/process/owner';
import type { ServerSecrets } from '#server/process/ownership';
import type { Configuration, StartFlags } from '../config.ts';
import { drainMsMax } from '../start/stop-time.ts';
import { type Children, createChildren } from './children.ts';
import { createGatheredMetrics } from './gathered-metrics.ts';
import { createWatch, directoriesOf } from './watch.ts';

export interface SuperviseDeps extends Runtime {
  report: (line: string) => void;
  secrets: ServerSecrets;
}

export interface Supervisor extends Server {
  /** Replaces the processes one by one, by ones that read the configuration anew. No request fails. */
  replaceAll(): Promise<void>;
}

/** A port that is free now: all processes have to be given the same one. */
async function freePort(host: string): Promise<number> {
  const server = createNetServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function chooseAddress(listen: string): Promise<string> {
  const wanted = parseListen(listen);
  return wanted.port === 0 ? formatListen({ ...wanted, port: await freePort(wanted.host) }) : listen;
}

/** What a process that serves is started with: the same options, beside the owner of the data directory. */
function argumentsFor(
  { config, publicUrl, systems, database, logLevel, logFormat, role }: StartFlags,
  { isEmbedded, dataDirectory, listen }: { isEmbedded: boolean; dataDirectory: string; listen: string },
): string[] {
  const given = {
    [isEmbedded ? '--join' : '--data']: dataDirectory,
    '--listen': listen,
    '--config': config,
    '--public-url': publicUrl,
    '--systems': systems,
    '--database': database,
    '--log-level': logLevel,
    '--log-format': logFormat,
    '--role': role,
  };
  const words = Object.entries(given).flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
  return ['start', ...words];
}

function createParts(children: () => Children): { first: Lifecycle; all: Lifecycle } {
  const stop = (deadline: AbortSignal) => children().stop(deadline);
  return {
    first: createLifecycle('port', { start: (signal) => children().bindFirst(signal), stop }),
    all: createLifecycle('processes', { start: (signal) => children().startAll(signal), stop }),
  };
}

/** Replaces the processes when a file of somebody's own system changes. */
function createReplacing(
  systems: readonly string[],
  except: string,
  children: () => Children | undefined,
  deps: SuperviseDeps,
) {
  return createWatch(
    { directories: directoriesOf(systems), except },
    {
      ...deps,
      onChange(file) {
        deps.report(`changed: ${relative(process.cwd(), file)}`);
        // Before there are any, there is none that has read the older file.
        void children()?.replaceAll();
      },
    },
  );
}

export function createSupervisor(
  { options, definitions }: Pick<Configuration, 'options' | 'definitions'>,
  flags: StartFlags,
  deps: SuperviseDeps,
): Supervisor {
  const owner = createOwner(options, definitions, deps);
  const isEmbedded = options.database.primary === undefined;
  const { dataDirectory } = owner;
  let listen = options.listen;
  let made: Children | undefined;
  const metrics = createGatheredMetrics({
    clock: deps.clock,
    living: () => made?.living() ?? [],
    crashes: () => made?.crashes() ?? 0,
  });

  function children(): Children {
    made ??= createChildren(
      {
        count: options.processes,
        args: argumentsFor(flags, { isEmbedded, dataDirectory, listen }),
        drainMsMax: drainMsMax(options.http),
        silentMsMax: options.processSilentMsMax,
      },
      { ...deps, gather: metrics.gather, onEnded: metrics.keep },
    );
    return made;
  }

  const address = createLifecycle('address', {
    async start() {
      listen = await chooseAddress(options.listen);
    },
    async stop() {},
  });
  const { first, all } = createParts(children);
  const watching = flags.watch ? [createReplacing(options.systems, dataDirectory, () => made, deps)] : [];
  const whole = composeLifecycles('supervisor', [
    ...watching,
    owner.directory,
    address,
    first,
    owner.database,
    owner.presence.registry,
    owner.identity,
    all,
    owner.presence.announcement,
  ]);
  const ownUrl = () => localUrl(parseListen(listen));
  return {
    ...whole,
    get publicUrl() {
      return options.publicUrl ?? ownUrl();
    },
    get localUrl() {
      return ownUrl();
    },
    dataDirectory,
    takeFirstKey: owner.takeFirstKey,
    // Before there are any, there is none that has read an older configuration.
    replaceAll: async () => made?.replaceAll(),
  };
}
