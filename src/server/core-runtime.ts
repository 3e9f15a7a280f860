/**
 * What systems stand on: the database, the core on it, and what is made from the log. The server has its systems and its
 * listener on top of it; commands that look at or repair data have it alone.
 */
import assert from 'node:assert/strict';
import { composeLifecycles, type Lifecycle } from '#base/lifecycle';
import type { MasterKey } from '#base/master-key';
import type { Metrics } from '#base/metrics';
import type { Runtime } from '#base/runtime';
import type { Tracer } from '#base/trace';
import {
  type Backups,
  backupMigrations,
  backupQueues,
  createBackups,
  describeMasterKey,
  findSource,
} from '#blocks/backup';
import { type Core, coreMigrations, createCore } from '#blocks/core';
import { createDatabase, type Database, type MigrationSet } from '#blocks/database';
import { discoveryMigrations } from '#blocks/discovery';
import { createXminWatch, doctorMigrations, type XminWatch } from '#blocks/doctor';
import { identityMigrations } from '#blocks/identity';
import { createProjections, type Projections, projectionMigrations } from '#blocks/projection';
import type { Queue, QueueDefinition, Schedule } from '#blocks/queue';
import { createReferences, type References, referenceQueues, referenceSchedules } from '#blocks/references';
import type { SystemDefinition } from '#blocks/system';
import type { ServerOptions } from './options.ts';
import { VERSION } from './version.ts';

export interface CoreRuntimeDeps extends Runtime {
  metrics: Metrics;
  tracer: Tracer;
  masterKey: MasterKey;
  dataDirectory: string;
  /** Whether this process runs the embedded Postgres, or uses the one that another runs; default: own. */
  embedded?: 'own' | 'join';
  report: (line: string) => void;
}

/** Its lifecycle is that of the parts which every command needs; the last three are started by whoever serves. */
export interface CoreRuntime
  extends Lifecycle,
    Pick<Core, 'ids' | 'streams' | 'outbox' | 'queue' | 'mutations'> {
  readonly database: Database;
  readonly projections: Projections;
  readonly references: References;
  readonly backups: Backups;
  readonly xminWatch: XminWatch;
}

/** Those of the blocks. */
export const OWN_MIGRATIONS: readonly MigrationSet[] = [
  ...coreMigrations,
  identityMigrations,
  projectionMigrations,
  doctorMigrations,
  discoveryMigrations,
  backupMigrations,
];

export function migrationsOf(definitions: readonly SystemDefinition[]): MigrationSet[] {
  return definitions.flatMap(({ name, migrations }) =>
    migrations ? [{ room: name, schema: name, directory: migrations }] : [],
  );
}

function assertUnique(what: string, named: readonly { name: string }[]): void {
  const names = named.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  assert(twice === undefined, `two systems declare the ${what} ${twice}`);
}

/** The streams, queues and schedules of all systems, and what keeps their references. */
function declarationsOf(definitions: readonly SystemDefinition[], options: ServerOptions) {
  const streams = definitions.flatMap((definition) => definition.streams ?? []);
  const queues: QueueDefinition[] = [
    ...definitions.flatMap((definition) => definition.queues ?? []),
    ...backupQueues(options.backup),
  ];
  const schedules: Schedule[] = definitions.flatMap((definition) => definition.schedules ?? []);
  if (definitions.some(({ references = [] }) => references.length > 0)) {
    queues.push(...referenceQueues);
    schedules.push(...referenceSchedules(options.references));
  }
  assertUnique('stream', streams);
  assertUnique('queue', queues);
  assertUnique('schedule', schedules);
  return { streams, queues, schedules };
}

function createBackupsOf(
  options: ServerOptions,
  deps: CoreRuntimeDeps & { database: Database; queue: Queue },
): Backups {
  const { dataDirectory, masterKey, random } = deps;
  return createBackups(options.backup, {
    ...deps,
    version: VERSION,
    source: () =>
      findSource(
        { primary: options.database.primary, dataDirectory },
        describeMasterKey(dataDirectory, masterKey, random),
      ),
  });
}

export function createCoreRuntime(
  options: ServerOptions,
  definitions: readonly SystemDefinition[],
  deps: CoreRuntimeDeps,
): CoreRuntime {
  const migrations = [...OWN_MIGRATIONS, ...migrationsOf(definitions)];
  const database = createDatabase(options.database, { ...deps, migrations });
  const given = { ...deps, database };
  const core = createCore(options, {
    ...given,
    ...declarationsOf(definitions, options),
    systems: definitions.map(({ name }) => name),
    isCandidate: options.role !== 'api',
  });
  const { ids, streams, outbox, queue, mutations } = core;
  const references = createReferences(options.references, {
    ...given,
    ...{ streams, queue, mutations },
    declared: definitions.flatMap((definition) => definition.references ?? []),
  });
  const projections = createProjections(options.projection, {
    ...given,
    streams,
    definitions: definitions.flatMap((definition) => definition.projections ?? []),
  });

  const backups = createBackupsOf(options, { ...given, queue });
  return {
    ...composeLifecycles('core runtime', [database, core]),
    ...{ database, ids, streams, outbox, queue, mutations, projections, references, backups },
    xminWatch: createXminWatch(options.xmin, { ...deps, core: database.core }),
  };
}
