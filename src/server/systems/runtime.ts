/**
 * The systems of a server as one lifecycle: made when everything below them runs, then connected to the listener.
 */
import { createLifecycle, type Health, type Lifecycle } from '#base/lifecycle';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Tracer } from '#base/trace';
import type { Identity } from '#blocks/identity';
import { createWorker } from '#blocks/queue';
import { isRawRoute, type System, type SystemDefinition } from '#blocks/system';
import { type ApiDeps, createApi, type ServedRoute } from '../api.ts';
import type { CoreRuntime } from '../core-runtime.ts';
import { createBodies } from '../http/body.ts';
import { createClientAddresses } from '../http/client-address.ts';
import { createCorsHeaders } from '../http/cors.ts';
import { addFrontRoutes } from '../http/front-routes.ts';
import { formatListen } from '../http/listen-address.ts';
import type { Listener } from '../http/listener.ts';
import type { ServerOptions } from '../options.ts';
import { createPages, type Pages } from '../pages/pages.ts';
import { createRawHandler } from '../raw/raw.ts';
import { checkParts } from '../reference/api-parts.ts';
import { type ApiPart, createOpenApi } from '../reference/openapi.ts';
import type { AccessSamples } from '../trace/access-samples.ts';
import { createCodeOpener } from './code-spaces.ts';
import { createJobRoutes } from './jobs.ts';
import { addOwnRoutes, addReferenceRoutes, type OwnDeps } from './own-routes.ts';
import { checkQueues } from './queues-handled.ts';
import { createJobHandler } from './work.ts';

export interface SystemsRuntimeDeps extends Runtime {
  metrics: Metrics;
  tracer: Tracer;
  coreRuntime: CoreRuntime;
  identity: Identity;
  listener: Listener;
  samples: AccessSamples;
  publicUrl: () => string;
  /** The health of the whole server. */
  health: () => Health;
  metricsText: OwnDeps['metricsText'];
  /** Aborts when requests in flight have to end. */
  stopping: AbortSignal;
}

interface MadeSystem {
  name: string;
  system: System;
}

/** @param systemOptions each system's parsed options, by its name */
export function createSystemsRuntime(
  options: ServerOptions,
  systemOptions: Readonly<Record<string, unknown>>,
  definitions: readonly SystemDefinition[],
  deps: SystemsRuntimeDeps,
): Lifecycle {
  const { clock, random, log, metrics, tracer, coreRuntime, identity, listener, samples } = deps;
  const { database, ids, streams, queue, mutations, references } = coreRuntime;
  const answers = options.role !== 'worker';
  const works = options.role !== 'api';
  const running: Lifecycle[] = [];

  /** What is shown to people; the address is known once the port is bound. */
  function makeFront() {
    const shown = { publicUrl: deps.publicUrl(), systems: definitions };
    const pages = createPages(options.pages, shown);
    return { shown, pages };
  }

  function make(): MadeSystem[] {
    const given = { clock, random, log, metrics, database, ids, streams, references };
    const codesOf = createCodeOpener({ core: database.core, random });
    const addresses = { publicUrl: deps.publicUrl(), listen: formatListen(listener.address()) };
    return definitions.map((each) => {
      const codes = codesOf(each.name);
      const system = each.create(systemOptions[each.name] as never, { ...given, ...addresses, codes });
      checkQueues(each, system);
      return { name: each.name, system };
    });
  }

  /** Carries out the jobs of all systems. */
  function makeWorker(systems: readonly MadeSystem[]): Lifecycle {
    const jobs = systems.flatMap(({ name, system: { jobs: handled = [] } }) =>
      handled.map((work) => ({ name, queueName: work.queue.name, work })),
    );
    const own = {
      ...(references.declared.length > 0 ? references.handlers : {}),
      ...coreRuntime.backups.handlers,
    };
    const handlers = {
      ...own,
      ...Object.fromEntries(
        jobs.map(({ name, queueName, work }) => [
          queueName,
          createJobHandler(name, work, { log, tracer, mutations }),
        ]),
      ),
    };
    const queues = {
      ...Object.fromEntries(Object.keys(own).map((queueName) => [queueName, { concurrency: 1 }])),
      ...Object.fromEntries(jobs.map(({ queueName, work: { concurrency } }) => [queueName, { concurrency }])),
    };
    return createWorker({ ...options.queue, queues }, { clock, random, log, queue, handlers });
  }

  const routesOf = (systems: readonly MadeSystem[]): ServedRoute[] => [
    ...createJobRoutes(queue.inspection).map((route) => ({ system: 'core', route })),
    ...systems.flatMap(({ name, system }) =>
      system.routes.flatMap((route) => (isRawRoute(route) ? [] : [{ system: name, route }])),
    ),
  ];

  const rawOf = (systems: readonly MadeSystem[]) =>
    systems.flatMap(({ system }) => system.routes.filter(isRawRoute));

  /** What is answered, by system: the server's own part is called core. */
  function partsOf(systems: readonly MadeSystem[]): ApiPart[] {
    const core = createJobRoutes(queue.inspection).map(({ shape }) => shape);
    return [
      ...systems.map(({ name, system }, index) => ({
        name,
        summary: definitions[index]?.summary ?? '',
        routes: system.routes.flatMap((route) => (isRawRoute(route) ? [] : [route.shape])),
        raw: system.routes.filter(isRawRoute).map(({ shape }) => shape),
      })),
      { name: 'core', summary: 'What every installation answers.', routes: core, raw: [] },
    ];
  }

  /** What routes of both kinds are served with. */
  function makeShared(pages: Pages): Omit<ApiDeps, 'mutations' | 'database'> {
    return {
      ...{ clock, log, tracer, identity, samples, pages, stopping: deps.stopping },
      isDraining: listener.isDraining,
      bodies: createBodies(options.http),
      clients: createClientAddresses(options.trustedProxies),
      corsHeaders: createCorsHeaders(options.http.cors.origins),
      latency: metrics.histogram('loadstone_http_request_duration_seconds', {
        help: 'Time from the headers of a request to its answer; status 499 is a client that has gone before it',
        labels: { method: { of: 'methods' }, route: { of: 'routes' }, status: { of: 'statuses' } },
      }),
    };
  }

  async function connect(
    systems: readonly MadeSystem[],
    { shown, pages }: ReturnType<typeof makeFront>,
  ): Promise<void> {
    const parts = partsOf(systems);
    checkParts(parts);
    const shared = makeShared(pages);
    const routes = answers ? routesOf(systems) : [];
    const raw = answers ? rawOf(systems) : [];
    const rawShapes = raw.map(({ shape }) => shape);
    const api = await createApi(
      options.http,
      { ...shared, mutations, database },
      routes,
      rawShapes,
      (app) => {
        addOwnRoutes(app, {
          metricsText: deps.metricsText,
          metricsAccess: options.http.metricsAccess,
          identity,
          health: deps.health,
          measures: queue.measures,
          xminLook: coreRuntime.xminWatch.look,
        });
        if (!answers) return;
        addReferenceRoutes(app, createOpenApi({ publicUrl: deps.publicUrl() }, parts));
        addFrontRoutes(app, pages, shown);
      },
    );
    const framework = routes.map(({ route: { shape } }) => shape);
    const handler = createRawHandler(
      options.http,
      { ...shared, framework: (request, response) => api.routing(request, response) },
      { raw, framework },
    );
    listener.setHandler(handler);
  }

  return createLifecycle('systems', {
    async start(signal) {
      const front = makeFront();
      const systems = make();
      const lifecycles = systems.flatMap(({ system }) => (system.lifecycle ? [system.lifecycle] : []));
      for (const lifecycle of works ? [...lifecycles, makeWorker(systems)] : lifecycles) {
        running.push(lifecycle);
        await lifecycle.start(signal);
      }
      await connect(systems, front);
    },
    async stop(deadline) {
      for (const lifecycle of running.toReversed()) await lifecycle.stop(deadline);
    },
    health: () =>
      running.map((each) => each.health()).find((each) => each.status === 'failing') ?? { status: 'ok' },
  });
}
