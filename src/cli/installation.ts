/**
 * How a command reaches an installation, whether its server runs or not, without being in its way.
 *
 * Of the core runtime hardly more than the database is started: to look at jobs or to redrive an event needs no worker number,
 * no relay and no candidate for the lease of the queues, and a server that runs has all of them.
 */
import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { deferMasterKey } from '#base/master-key';
import { createMetrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import { createTracer } from '#base/trace';
import { locateEmbedded } from '#blocks/postgres';
import { type CoreRuntime, createCoreRuntime } from '#server/core-runtime';
import type { ServerOptions } from '#server/options';
import type { Configuration } from './config.ts';
import { cliErrors } from './errors.ts';
import { checkReadable } from './readable.ts';
import { holdsDatabase } from './start/join.ts';

/**
 * `named`: by `database.primary`. `running`: the Postgres that another process runs in the data directory. `stopped`: none
 * runs there, so the command does, and holds the directory's lock as a server would.
 */
export type DatabaseLocation = { kind: 'named' | 'running'; primary: string } | { kind: 'stopped' };

/** @throws installation_missing: nothing is made here that is not there; installation_unreadable */
export function locateDatabase({
  data,
  database,
}: Pick<ServerOptions, 'data' | 'database'>): DatabaseLocation {
  if (database.primary !== undefined) return { kind: 'named', primary: database.primary };
  const directory = resolve(data);
  checkReadable(directory);
  if (!existsSync(directory)) {
    throw cliErrors.installation_missing({
      detail: `data directory ${directory} does not exist; name another with --data, or start a server in it`,
    });
  }
  if (!holdsDatabase(directory)) {
    throw cliErrors.installation_missing({
      detail: `data directory ${directory} holds no database; name another with --data, or start a server in it`,
    });
  }
  const primary = locateEmbedded(realpathSync(directory));
  return primary === undefined ? { kind: 'stopped' } : { kind: 'running', primary };
}

/** A server may wait for its database as long as it takes to start one; whoever gives a command waits in front of it. */
const REACH_MS_MAX = 10_000;

function databaseOptionsFor(
  location: DatabaseLocation,
  options: ServerOptions['database'],
): ServerOptions['database'] {
  if (location.kind === 'stopped') return options;
  const startTimeoutMs = Math.min(options.startTimeoutMs, REACH_MS_MAX);
  return { ...options, primary: location.primary, startTimeoutMs };
}

export interface InstallationDeps extends Runtime {
  report: (line: string) => void;
}

/** The core runtime of an installation, of which the caller starts and stops what it needs. */
export function createInstallation(
  { options, definitions }: Pick<Configuration, 'options' | 'definitions'>,
  location: DatabaseLocation,
  deps: InstallationDeps,
): CoreRuntime {
  const database = databaseOptionsFor(location, options.database);
  return createCoreRuntime({ ...options, database, role: 'all' }, definitions, {
    ...deps,
    metrics: createMetrics(),
    tracer: createTracer(deps.random),
    // Nothing that a command does opens or seals a secret: it needs neither the key nor the right to read it.
    masterKey: deferMasterKey().masterKey,
    dataDirectory: resolve(options.data),
  });
}
