/**
 * The embedded Postgres: found, made, started, watched, restarted when it dies, and stopped with the server.
 *
 * One server owns it, by a lock on the parent of its directory; other processes connect to the same socket. Whatever
 * happens to the server, no Postgres is left behind for good: on Linux the kernel tells it to shut down when the server
 * dies, elsewhere the next start takes it over.
 */
import assert from 'node:assert/strict';
import type { Clock } from '#base/clock';
import { createLifecycle, type Health, type Lifecycle } from '#base/lifecycle';
import type { Log } from '#base/log';
import type { Random } from '#base/random';
import { prepareCluster } from './cluster.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { settlePrevious } from './previous.ts';
import { DATABASE_NAME } from './settings.ts';
import { chooseSite, makeParent, type SiteOptions } from './site.ts';
import {
  makeSocketDirectory,
  POSTGRES_PORT,
  removeSocketDirectory,
  socketDirectoryOf,
} from './socket-directory.ts';
import { createSupervisor, type PostgresState, type Supervisor, startTimeout } from './supervisor.ts';

export { SUPERUSER_NAME } from './settings.ts';
export type { PostgresState } from './supervisor.ts';

export interface EmbeddedPostgresOptions extends Partial<SiteOptions> {
  /** Postgres's own directory, such as `<data>/postgres`. Its parent is locked (`server.lock`) and made if missing. */
  directory: string;
  /** Bounds the first start, waiting for an earlier Postgres and crash recovery included, and each later one. */
  startTimeoutMs: number;
  /** Postgres settings that win over ours, by name, as for `postgres -c`. */
  settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgresDeps {
  clock: Clock;
  random: Random;
  log: Log;
  /** Told what a person who waits for the start may want to know, a line at a time. */
  report?: (line: string) => void;
}

export interface PostgresAddress {
  /** The directory of the socket. */
  host: string;
  port: number;
  database: string;
}

export interface EmbeddedPostgres extends Lifecycle {
  /** Where to connect, as `SUPERUSER_NAME` and without a password. Valid once started; stays the same until stopped. */
  readonly address: PostgresAddress;
  /** Called at each change of state, in order. Returns the unsubscribe. */
  onChange(listener: (state: PostgresState) => void): () => void;
  /** The postmaster's pid, as this machine sees it; undefined while there is none. */
  pid(): number | undefined;
}

const OTHER_USER_DIRECTORY = '/var/lib/loadstone';

interface Run {
  state: PostgresState;
  lock: DirectoryLock | undefined;
  socketDirectory: string | undefined;
  /** Removed in the end. */
  privateDirectories: Set<string>;
  supervisor: Supervisor | undefined;
}

/**
 * Starting it raises data_in_use, data_unwritable, data_disk_full, data_foreign, postgres_missing,
 * postgres_version_wrong, postgres_socket_unsafe, postgres_start_failed and postgres_start_timeout.
 */
export function createEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
  deps: EmbeddedPostgresDeps,
): EmbeddedPostgres {
  const listeners = new Set<(state: PostgresState) => void>();
  const run: Run = {
    state: { kind: 'idle' },
    lock: undefined,
    socketDirectory: undefined,
    privateDirectories: new Set(),
    supervisor: undefined,
  };
  const onState = (state: PostgresState) => {
    run.state = state;
    for (const listener of [...listeners]) listener(state);
  };
  const lifecycle = createLifecycle('embedded Postgres', {
    start: (signal) => start(run, options, deps, onState, signal),
    stop: (deadline) => stop(run, deadline),
    health: () => healthOf(run.state),
  });
  return {
    ...lifecycle,
    get address() {
      assert(run.socketDirectory, 'the embedded Postgres has no address before it has started');
      return { host: run.socketDirectory, port: POSTGRES_PORT, database: DATABASE_NAME };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    pid: () => (run.state.kind === 'ready' ? run.state.pid : undefined),
  };
}

async function start(
  run: Run,
  options: EmbeddedPostgresOptions,
  deps: EmbeddedPostgresDeps,
  onState: (state: PostgresState) => void,
  parent: AbortSignal,
): Promise<void> {
  const { clock, random, log, report = () => {} } = deps;
  const timeout = startTimeout(clock, options.startTimeoutMs, parent, () => run.supervisor?.tail() ?? []);
  const { signal } = timeout;
  try {
    run.lock = lockDirectory(makeParent(options.directory), random);
    const site = await chooseSite(options.directory, withDefaults(options), {
      signal,
      report,
      randomName: () => random.bytes(6).toString('hex'),
      onPrivateDirectory: (made) => run.privateDirectories.add(made),
    });
    const previous = await settlePrevious(site, { clock, signal, report });
    const { account } = site.launch;
    run.socketDirectory = previous?.socketDirectory ?? socketDirectoryOf(site.dataDirectory, account.uid);
    makeSocketDirectory(run.socketDirectory, account);
    run.privateDirectories.add(run.socketDirectory);
    await prepareCluster(site, { clock, random, signal, report });
    run.supervisor = createSupervisor(
      {
        site,
        socketDirectory: run.socketDirectory,
        settings: options.settings ?? {},
        startTimeoutMs: options.startTimeoutMs,
      },
      { clock, random, log, report, onState },
    );
    await run.supervisor.start(previous?.postmaster, signal);
  } finally {
    timeout.done();
  }
}

function withDefaults(options: EmbeddedPostgresOptions): SiteOptions {
  return {
    rootStrategy: options.rootStrategy ?? 'auto',
    tie: options.tie ?? 'auto',
    otherUserDirectory: options.otherUserDirectory ?? OTHER_USER_DIRECTORY,
  };
}

async function stop(run: Run, deadline: AbortSignal): Promise<void> {
  await run.supervisor?.stop(deadline);
  for (const directory of run.privateDirectories) removeSocketDirectory(directory);
  run.lock?.release();
}

function healthOf(state: PostgresState): Health {
  if (state.kind === 'ready') return { status: 'ok' };
  return { status: 'failing', reason: state.kind === 'down' ? state.reason : `Postgres is ${state.kind}` };
}
