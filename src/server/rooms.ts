/**
 * The systems of a server as one lifecycle: made when everything below them runs, then connected to the listener.
 */
import type { Clock } from '#base/clock';
import { createLifecycle, type Health, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Random } from '#base/random';
import type { Signals } from '#base/signals';
import type { Database } from '#blocks/database';
import type { Identity } from '#blocks/identity';
import type { Ids } from '#blocks/ids';
import type { System, SystemDefinition } from '#blocks/system';
import { createApi } from './api.ts';
import { createHotDeps } from './hot.ts';
import { formatListen } from './listen-address.ts';
import type { Listener } from './listener.ts';
import type { ServerOptions } from './options.ts';
import { addOwnRoutes } from './own-routes.ts';
import type { Tracer } from './trace.ts';

export interface RoomsDeps {
  clock: Clock;
  random: Random;
  log: Log;
  signals: Signals;
  tracer: Tracer;
  database: Database;
  ids: Ids;
  identity: Identity;
  listener: Listener;
  publicUrl: () => string;
  /** The health of the whole server. */
  health: () => Health;
  /** Aborts when requests in flight have to end. */
  stopping: AbortSignal;
}

/** @param systemOptions each system's parsed options, by its name */
export function createRooms(
  options: ServerOptions,
  systemOptions: Readonly<Record<string, unknown>>,
  definitions: readonly SystemDefinition[],
  deps: RoomsDeps,
): Lifecycle {
  const { clock, random, log, signals, tracer, database, ids, identity, listener } = deps;
  const running: Lifecycle[] = [];

  const makeHot = () => createHotDeps({ sampleEvery: options.log.hotSampleEvery }, { clock, log, tracer });

  function make(): System[] {
    const hot = makeHot();
    const given = { clock, random, log, signals, database, ids, hot };
    const addresses = { publicUrl: deps.publicUrl(), listen: formatListen(listener.address()) };
    return definitions.map((each) =>
      each.create(systemOptions[each.name] as never, { ...given, ...addresses }),
    );
  }

  /** Requests go to the systems' hot paths and, past those, to the API. */
  async function connect(systems: readonly System[]): Promise<void> {
    const api = await createApi(
      { ...options.http, trustedProxies: options.trustedProxies, publicUrl: deps.publicUrl() },
      { clock, log, signals, tracer, identity, stopping: deps.stopping, isDraining: listener.isDraining },
      systems.flatMap((system) => system.routes),
      (app) => addOwnRoutes(app, { signals, identity, health: deps.health }),
    );
    const { sendProblem } = makeHot();
    const hotPaths = systems.flatMap((system) => (system.hot ? [system.hot] : []));
    listener.setHandler((request, response) => {
      try {
        for (const hot of hotPaths) if (hot(request, response)) return;
      } catch (error) {
        sendProblem(request, response, error, clock.nowMs());
        return;
      }
      api.routing(request, response);
    });
  }

  return createLifecycle('systems', {
    async start(signal) {
      const systems = make();
      for (const { lifecycle } of systems) {
        if (!lifecycle) continue;
        running.push(lifecycle);
        await lifecycle.start(signal);
      }
      await connect(systems);
    },
    async stop(deadline) {
      for (const lifecycle of running.toReversed()) await lifecycle.stop(deadline);
    },
    health: () =>
      running.map((each) => each.health()).find((each) => each.status === 'failing') ?? { status: 'ok' },
  });
}
