/**
 * The embedded Postgres: found, made, started, watched, restarted when it dies, and stopped with the server; and its
 * standbys beside it.
 *
 * One server owns it, by a lock on the parent of its directory; other processes connect to the same socket (joined.ts).
 * Whatever happens to the server, no Postgres is left behind for good: on Linux the kernel tells it to shut down when the
 * server dies, elsewhere the next start takes it over.
 */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { describeError } from '#base/errors';
import { createLifecycle, type Health } from '#base/lifecycle';
import type { Runtime } from '#base/runtime';
import { createChangeWatch } from './directory/change-watch.ts';
import {
  type DatabaseFile,
  type DirectoryName,
  isWanted,
  readDatabaseFile,
} from './directory/database-file.ts';
import { type DirectoryLock, lockDirectory } from './directory/directory-lock.ts';
import type { PostgresEngine } from './engine.ts';
import { createEnsemble, type OwnEnsemble } from './ensemble.ts';
import { noteOnFileSystem } from './process/file-systems.ts';
import { removeSocketDirectory } from './process/socket-directory.ts';
import { type PostgresState, startTimeout } from './process/supervisor.ts';
import { makeParent } from './site.ts';
import type { SiteOptions } from './site-shape.ts';
import { carryOut, finish } from './standby/promotion.ts';
import type { StandbyState } from './standby/standby.ts';

export type { PostgresAddress, PostgresEngine } from './engine.ts';
export { createJoinedPostgres, type JoinedPostgresOptions } from './joined.ts';
export type { PostgresState } from './process/supervisor.ts';
export { SUPERUSER_NAME } from './settings.ts';
export type { StandbyState } from './standby/standby.ts';

export interface EmbeddedPostgresOptions extends Partial<SiteOptions> {
  /** `<data>/postgres`. Its parent is locked (`server.lock`), made if missing, and holds the standbys and database.json. */
  directory: string;
  /** Bounds the first start, waiting for an earlier Postgres and crash recovery included, and each later one. */
  startTimeoutMs: number;
  /** Postgres settings that win over ours, by name, as for `postgres -c`. */
  settings?: Readonly<Record<string, string>>;
  /** Streaming standbys beside the primary, 0 to 2. Default 0. */
  standbys?: number;
}

export interface EmbeddedPostgresDeps extends Runtime {
  /** Told what a person who waits for the start may want to know, a line at a time. */
  report?: (line: string) => void;
}

export interface EmbeddedPostgres extends PostgresEngine {
  /** As for every place; told what has become of the primary. */
  onChange(listener: (state: PostgresState) => void): () => void;
  /** The primary's postmaster's pid, as this machine sees it; undefined while there is none. */
  pid(): number | undefined;
  /** What the standbys are doing, by the names of their directories. */
  standbyStates(): ReadonlyMap<DirectoryName, StandbyState>;
}

const OTHER_USER_DIRECTORY = '/var/lib/loadstone';
/** How often database.json is looked at for a promotion that somebody asks for: one is told of at once. */
const WATCH_MS = 2000;
/** While one that was asked for waits for its standby. */
const WANTED_MS = 200;

interface Run {
  ensemble: OwnEnsemble;
  lock: DirectoryLock | undefined;
  /** Removed in the end. */
  privateDirectories: Set<string>;
  /** From when a promotion is taken up until whoever is the primary then runs. */
  promoting: boolean;
  /** A promotion that was asked for before the start: it waits for the standby to come up. */
  inherited: string | undefined;
  ending: AbortController;
  watching: Promise<void> | undefined;
}

/**
 * Resolves its start when the primary takes connections; standbys come up in the background. Starting it raises
 * data_in_use, data_unwritable, data_disk_full, data_foreign, database_file_invalid, postgres_fenced, postgres_missing,
 * postgres_version_wrong, postgres_socket_unsafe, postgres_start_failed and postgres_start_timeout.
 */
export function createEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
  deps: EmbeddedPostgresDeps,
): EmbeddedPostgres {
  assert.equal(basename(options.directory), 'postgres', 'the primary of a new installation is in `postgres`');
  const listeners = new Set<(state: PostgresState) => void>();
  const privateDirectories = new Set<string>();
  const ensemble = createEnsemble(
    { ...options, site: withDefaults(options) },
    {
      ...deps,
      report: deps.report ?? (() => {}),
      onPrivateDirectory: (made) => void privateDirectories.add(made),
      onState: (state) => {
        for (const listener of [...listeners]) listener(state);
      },
    },
  );
  const run: Run = {
    ensemble,
    lock: undefined,
    privateDirectories,
    promoting: false,
    inherited: undefined,
    ending: new AbortController(),
    watching: undefined,
  };
  const lifecycle = createLifecycle('embedded Postgres', {
    start: (signal) => start(run, options, deps, signal),
    stop: (deadline) => stop(run, deadline),
    health() {
      const state = ensemble.state();
      return run.promoting && state.kind !== 'ready' ? PROMOTING : healthOf(state);
    },
  });
  return {
    ...lifecycle,
    get address() {
      const address = ensemble.address();
      assert(address, 'the embedded Postgres has no address before it has started');
      return address;
    },
    get term() {
      return ensemble.term();
    },
    standbys: () => ensemble.standbyAddresses(),
    standbyStates: () => ensemble.standbyStates(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    pid() {
      const state = ensemble.state();
      return state.kind === 'ready' ? state.pid : undefined;
    },
  };
}

const PROMOTING: Health = { status: 'failing', reason: 'a standby is being promoted' };

async function start(
  run: Run,
  options: EmbeddedPostgresOptions,
  deps: EmbeddedPostgresDeps,
  parent: AbortSignal,
): Promise<void> {
  const { clock } = deps;
  const { ensemble, ending } = run;
  const timeout = startTimeout(clock, options.startTimeoutMs, parent, () => ensemble.tail());
  try {
    const parent = makeParent(options.directory);
    run.lock = lockDirectory(parent);
    const note = noteOnFileSystem(parent);
    if (note !== undefined) deps.log.warn(note);
    await ensemble.claim(timeout.signal);
    run.inherited = readDatabaseFile(ensemble.dataDirectory).promotion?.id;
    await openPrimary(ensemble, { ...deps, signal: timeout.signal });
    ensemble.keepStandbys();
    run.watching = watch(run, { ...deps, signal: ending.signal });
  } finally {
    timeout.done();
  }
}

interface WatchDeps extends Runtime {
  signal: AbortSignal;
}

/** The primary that database.json names, after a promotion has been finished that an earlier owner could not finish. */
async function openPrimary(ensemble: OwnEnsemble, deps: WatchDeps): Promise<void> {
  const file = readDatabaseFile(ensemble.dataDirectory);
  if (file.promotion?.state === 'decided') return finish(ensemble, file, deps);
  if (isWanted(file) && file.promotion.isForced && (await carryOut(ensemble, file.promotion, deps))) return;
  await ensemble.startPrimary(deps.signal);
}

/** Does what database.json asks for, until the end. A file that cannot be read is told of once. */
async function watch(run: Run, deps: WatchDeps): Promise<void> {
  const { clock, log, signal } = deps;
  const changes = createChangeWatch(clock, () => [run.ensemble.dataDirectory]);
  signal.addEventListener('abort', changes.close, { once: true });
  let told = '';
  let isWaiting = true;
  while (!signal.aborted) {
    try {
      await changes.wait(isWaiting ? WANTED_MS : WATCH_MS, signal);
      isWaiting = await lookAfter(run, deps);
      told = '';
    } catch (error) {
      if (signal.aborted) return;
      isWaiting = true;
      const reason = describeError(error);
      if (reason !== told)
        log.error({ reason }, 'what database.json asks for cannot be done, and is tried again');
      told = reason;
    }
  }
}

/** @returns whether something is asked for that cannot be done yet */
async function lookAfter(run: Run, deps: WatchDeps): Promise<boolean> {
  const { ensemble } = run;
  const file = readDatabaseFile(ensemble.dataDirectory);
  // What failed on the way is gone on with, be it only that the old primary has to be started again.
  if (!run.promoting && file.promotion?.state !== 'decided' && !isReadyFor(file, run)) {
    return isWanted(file);
  }
  run.promoting = true;
  ensemble.announce();
  if (file.promotion?.state === 'decided') await finish(ensemble, file, deps);
  else if (!(isWanted(file) && (await carryOut(ensemble, file.promotion, deps)))) {
    await ensemble.startAgain(deps.signal);
  }
  ensemble.keepStandbys();
  run.promoting = false;
  ensemble.announce();
  return true;
}

function isReadyFor(file: DatabaseFile, { ensemble, inherited }: Run): boolean {
  if (!isWanted(file)) return false;
  if (file.promotion.isForced || file.promotion.id !== inherited) return true;
  const state = ensemble.standbyStates().get(file.promotion.standby);
  return state === undefined || state.kind === 'failing' || (state.kind === 'following' && state.isStreaming);
}

function withDefaults(options: EmbeddedPostgresOptions): SiteOptions {
  return {
    rootStrategy: options.rootStrategy ?? 'auto',
    tie: options.tie ?? 'auto',
    otherUserDirectory: options.otherUserDirectory ?? OTHER_USER_DIRECTORY,
  };
}

async function stop(run: Run, deadline: AbortSignal): Promise<void> {
  run.ending.abort();
  await run.watching;
  await run.ensemble.stop(deadline);
  for (const directory of run.privateDirectories) removeSocketDirectory(directory);
  run.lock?.release();
}

function healthOf(state: PostgresState): Health {
  if (state.kind === 'ready') return { status: 'ok' };
  return { status: 'failing', reason: state.kind === 'down' ? state.reason : `Postgres is ${state.kind}` };
}
