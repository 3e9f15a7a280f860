/**
 * What one process owns for all others that serve the same data directory: its lock, the master key, the embedded
 * Postgres, the migrations and the first API key. It answers no request.
 */
import { resolve } from 'node:path';
import type { Lifecycle } from '#base/lifecycle';
import { deferMasterKey } from '#base/master-key';
import { createMetrics } from '#base/metrics';
import { createTracer } from '#base/trace';
import { createIdentity } from '#blocks/identity';
import type { SystemDefinition } from '#blocks/system';
import type { ServerDeps } from '../build.ts';
import { createCoreRuntime } from '../core-runtime.ts';
import type { ServerOptions } from '../options.ts';
import { type Announcement, createAnnouncement } from './announcement.ts';
import { settleIn } from './ownership.ts';

export interface Owner {
  /** Before anything else is started: lock and master key. */
  readonly directory: Lifecycle;
  /** Postgres, unless `database.primary` names one; brought up to date. */
  readonly database: Lifecycle;
  /** Makes the first API key, or sets the one given. */
  readonly identity: Lifecycle;
  /** As `supervisor` among the processes of the installation. */
  readonly presence: Announcement;
  readonly dataDirectory: string;
  /** The API key made by this start, if it was the first; given once. */
  takeFirstKey(): string | undefined;
}

export function createOwner(
  options: ServerOptions,
  definitions: readonly SystemDefinition[],
  deps: Pick<ServerDeps, 'clock' | 'random' | 'log' | 'report' | 'secrets'>,
): Owner {
  const { random, secrets } = deps;
  const dataDirectory = resolve(options.data);
  const { masterKey, set: setMasterKey } = deferMasterKey();
  // Of the core runtime only the database is started; what the rest would measure is measured where requests are answered.
  const { database } = createCoreRuntime(options, definitions, {
    ...deps,
    metrics: createMetrics(),
    tracer: createTracer(random),
    masterKey,
    dataDirectory,
  });
  const { core, anonymous } = database;
  const identity = createIdentity({ rootKey: secrets.rootKey }, { ...deps, core, anonymous });
  return {
    directory: settleIn(dataDirectory, { kind: 'own' }, options.database.primary !== undefined, {
      random,
      secrets,
      setMasterKey,
    }),
    database,
    identity,
    presence: createAnnouncement({ ...options, role: 'supervisor' }, definitions, {
      ...deps,
      core: database.core,
    }),
    dataDirectory,
    takeFirstKey: identity.takeFirstKey,
  };
}
