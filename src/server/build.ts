/**
 * The composition root: every part of a server, put together in the order in which it starts.
 */
import { resolve } from 'node:path';
import { composeLifecycles, type Lifecycle, lifecycleErrors } from '#base/lifecycle';
import { deferMasterKey } from '#base/master-key';
import { createMetrics, type Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import { createTracer } from '#base/trace';
import { createIdentity } from '#blocks/identity';
import type { SystemDefinition } from '#blocks/system';
import { createTraceExport } from '#blocks/telemetry';
import { createCoreRuntime } from './core-runtime.ts';
import { localUrl } from './http/listen-address.ts';
import { createListener, type Listener } from './http/listener.ts';
import type { ServerOptions } from './options.ts';
import { createAnnouncement } from './process/announcement.ts';
import { type Ownership, type ServerSecrets, settleIn } from './process/ownership.ts';
import { createSystemsRuntime } from './systems/runtime.ts';
import { createAccessSamples } from './trace/access-samples.ts';
import { VERSION } from './version.ts';

export interface ServerDeps extends Runtime {
  secrets: ServerSecrets;
  /** Told in a person's words what the start is doing. */
  report: (line: string) => void;
  /** Default: it owns its data directory. */
  ownership?: Ownership;
  /** Default: new ones. */
  metrics?: Metrics;
  /** What /metrics answers; default: the metrics of this process. */
  gatherMetrics?: () => Promise<string>;
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

function describe({ role }: ServerOptions): Record<string, string> {
  return { 'service.name': 'loadstone', 'service.version': VERSION, 'loadstone.role': role };
}

/** Whoever joins may have to wait for the owner, and shows meanwhile that its port is free. */
function firstParts(ownership: Ownership, directory: Lifecycle, { port }: Listener): Lifecycle[] {
  if (ownership.kind === 'own') return [directory, port];
  return ownership.binds === 'first' ? [port, directory] : [directory];
}

function lastParts(ownership: Ownership, { port, front }: Listener): Lifecycle[] {
  return ownership.kind === 'join' && ownership.binds === 'last' ? [port, front] : [front];
}

/** @param systemOptions each system's parsed options, by its name */
export function createServer(
  options: ServerOptions,
  systemOptions: Readonly<Record<string, unknown>>,
  definitions: readonly SystemDefinition[],
  deps: ServerDeps,
): Server {
  const { random, secrets, metrics = createMetrics(), ownership = { kind: 'own' } } = deps;
  const dataDirectory = resolve(options.data);
  const tracer = createTracer(random);
  const stopping = new AbortController();

  const samples = createAccessSamples(options.log, deps);
  const listener = createListener(options, {
    ...deps,
    ...{ tracer, samples },
    onCutOff: () => stopping.abort(lifecycleErrors.stopped()),
  });
  const { masterKey, set: setMasterKey } = deferMasterKey();
  const coreRuntime = createCoreRuntime(options, definitions, {
    ...deps,
    ...{ metrics, tracer, masterKey, dataDirectory },
    embedded: ownership.kind,
  });
  const { core, anonymous } = coreRuntime.database;
  const keys = { rootKey: secrets.rootKey, limits: options.identity };
  const identity = createIdentity(keys, { ...deps, metrics, core, anonymous });
  const publicUrl = () => options.publicUrl ?? localUrl(listener.address());

  const systemsRuntime = createSystemsRuntime(options, systemOptions, definitions, {
    ...deps,
    ...{ metrics, tracer, coreRuntime, identity, listener, samples, publicUrl },
    health: () => whole.health(),
    metricsText: deps.gatherMetrics ?? (() => metrics.registry.metrics()),
    stopping: stopping.signal,
  });

  const locks = options.database.primary !== undefined;
  const directory = settleIn(dataDirectory, ownership, locks, { ...deps, setMasterKey });
  const presence = createAnnouncement(options, definitions, { ...deps, core, listener });
  const traceExport = createTraceExport(options.traces, { ...deps, metrics, resource: describe(options) });
  const consumers =
    options.role === 'api' ? [] : [coreRuntime.projections, coreRuntime.references, coreRuntime.backups];
  const whole = composeLifecycles('server', [
    ...firstParts(ownership, directory, listener),
    traceExport,
    coreRuntime,
    presence.registry,
    identity,
    ...consumers,
    coreRuntime.xminWatch,
    systemsRuntime,
    ...lastParts(ownership, listener),
    presence.announcement,
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
