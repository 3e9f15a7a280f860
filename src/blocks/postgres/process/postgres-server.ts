/**
 * A Postgres on one directory, primary or standby: what an earlier server has left there is settled, then it is started,
 * watched and restarted.
 */
import type { Runtime } from '#base/runtime';
import { createPostgresLock } from '../directory/postgres-lock.ts';
import type { PostgresAddress } from '../engine.ts';
import { DATABASE_NAME } from '../settings.ts';
import type { Site } from '../site-shape.ts';
import { settlePrevious } from '../standby/previous.ts';
import {
  makeSocketDirectory,
  POSTGRES_PORT,
  removeSocketDirectory,
  removeStaleSocket,
  socketDirectoryOf,
} from './socket-directory.ts';
import { createSupervisor, type PostgresState, type Supervisor } from './supervisor.ts';

export interface PostgresServerOptions {
  site: Site;
  settings: Readonly<Record<string, string>>;
  startTimeoutMs: number;
  /** Whether one that an earlier server left running is taken over, settings and all, or stopped. */
  adopts: boolean;
}

export interface PostgresServerDeps extends Runtime {
  report: (line: string) => void;
  onState: (state: PostgresState) => void;
}

export interface PostgresServer {
  readonly site: Site;
  /** Valid once `start` has got so far as to know it. */
  address(): PostgresAddress | undefined;
  state(): PostgresState;
  /** @param prepare makes the data once the directory is known to be nobody else's */
  start(signal: AbortSignal, prepare?: () => Promise<void>): Promise<void>;
  /** Ends Postgres cleanly if `deadline` allows, and removes its socket directory. */
  stop(deadline: AbortSignal): Promise<void>;
  /** As `stop`, without asking Postgres. */
  kill(): Promise<void>;
  tail(): string[];
}

export function createPostgresServer(
  options: PostgresServerOptions,
  deps: PostgresServerDeps,
): PostgresServer {
  const { site } = options;
  const { account } = site.launch;
  const lock = createPostgresLock(site.dataDirectory, deps);
  let state: PostgresState = { kind: 'idle' };
  let socketDirectory: string | undefined;
  let supervisor: Supervisor | undefined;

  function onState(next: PostgresState): void {
    state = next;
    deps.onState(next);
  }

  async function openPlace(directory: string): Promise<void> {
    makeSocketDirectory(directory, account);
    site.relink?.();
    await removeStaleSocket(directory);
  }

  function letGo(): void {
    if (socketDirectory !== undefined) removeSocketDirectory(socketDirectory);
    lock.release();
  }

  return {
    site,
    address: () =>
      socketDirectory === undefined
        ? undefined
        : { host: socketDirectory, port: POSTGRES_PORT, database: DATABASE_NAME },
    state: () => state,
    async start(signal, prepare) {
      const previous = await settlePrevious(site, { ...deps, signal, adopts: options.adopts, lock });
      const directory = previous?.socketDirectory ?? socketDirectoryOf(site.dataDirectory, account.uid);
      socketDirectory = directory;
      makeSocketDirectory(directory, account);
      await prepare?.();
      supervisor = createSupervisor(
        {
          site,
          socketDirectory: directory,
          settings: options.settings,
          startTimeoutMs: options.startTimeoutMs,
          lock,
          prepare: () => openPlace(directory),
        },
        { ...deps, onState },
      );
      await supervisor.start(previous?.postmaster, signal);
    },
    async stop(deadline) {
      await supervisor?.stop(deadline);
      letGo();
    },
    async kill() {
      await supervisor?.kill();
      letGo();
    },
    tail: () => supervisor?.tail() ?? [],
  };
}
