/**
 * The Postgres servers of one data directory, as their owner runs them: the primary, and the standbys that follow it.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createDeadline } from '#base/deadline';
import { describeError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import { prepareCluster } from './directory/cluster.ts';
import {
  changeDatabaseFile,
  DIRECTORY_NAMES,
  type DirectoryName,
  readDatabaseFile,
} from './directory/database-file.ts';
import { createPostgresLock } from './directory/postgres-lock.ts';
import type { PostgresAddress } from './engine.ts';
import { embeddedErrors } from './errors.ts';
import { createPostgresServer, type PostgresServer } from './process/postgres-server.ts';
import { type PostgresState, startTimeout } from './process/supervisor.ts';
import { chooseSite, siteBeside } from './site.ts';
import type { Site, SiteOptions } from './site-shape.ts';
import { refuseFenced } from './standby/fence.ts';
import { settlePrevious } from './standby/previous.ts';
import type { Ensemble } from './standby/promotion.ts';
import {
  createReplay,
  dropSlotsExcept,
  keepStandby,
  type Standby,
  type StandbyState,
} from './standby/standby.ts';

export interface EnsembleOptions {
  /** `<data>/postgres`. */
  directory: string;
  startTimeoutMs: number;
  settings?: Readonly<Record<string, string>>;
  standbys?: number;
  site: SiteOptions;
}

export interface EnsembleDeps extends Runtime {
  report: (line: string) => void;
  onPrivateDirectory: (directory: string) => void;
  /** Told of the primary's state, at each change of anything. */
  onState: (state: PostgresState) => void;
}

export interface OwnEnsemble extends Ensemble {
  /** Once the directory is locked: chooses programs and user, and writes down how many standbys there shall be. */
  claim(signal: AbortSignal): Promise<void>;
  /** Starts the primary that database.json names, and makes it if there is none. @throws postgres_fenced */
  startPrimary(signal: AbortSignal): Promise<void>;
  /** After a refused promotion: the primary runs again, if it had been stopped. */
  startAgain(signal: AbortSignal): Promise<void>;
  /** Keeps the standbys that database.json names, in the background; those that are kept already stay as they are. */
  keepStandbys(): void;
  /** Calls `onState` with what is. */
  announce(): void;
  state(): PostgresState;
  address(): PostgresAddress | undefined;
  term(): number;
  standbyAddresses(): PostgresAddress[];
  standbyStates(): ReadonlyMap<DirectoryName, StandbyState>;
  stop(deadline: AbortSignal): Promise<void>;
  tail(): string[];
}

const RESTART_STOP_MS = 10_000;

export function createEnsemble(options: EnsembleOptions, deps: EnsembleDeps): OwnEnsemble {
  const { clock, random, log } = deps;
  const dataDirectory = dirname(options.directory);
  const settings = options.settings ?? {};
  const standbys = new Map<DirectoryName, Standby>();
  /** Every server that may run, so that none is left behind. */
  let opened: PostgresServer[] = [];
  let site: Site | undefined;
  let primary: PostgresServer | undefined;
  let term = 1;

  const state = (): PostgresState => primary?.state() ?? { kind: 'idle' };
  const announce = () => deps.onState(state());
  const tail = () => primary?.tail() ?? [];

  function opening(server: PostgresServer): PostgresServer {
    opened = [...opened.filter((each) => each !== server && each.state().kind !== 'stopped'), server];
    return server;
  }

  function siteOf(name: DirectoryName): Site {
    assert(site, 'the directory is claimed first');
    return siteBeside(site, join(dataDirectory, name));
  }

  function serverOn(at: Site): PostgresServer {
    const server: PostgresServer = createPostgresServer(
      { site: at, settings, startTimeoutMs: options.startTimeoutMs, adopts: true },
      { ...deps, onState: () => server === primary && announce() },
    );
    return opening(server);
  }

  async function startPrimary(signal: AbortSignal): Promise<void> {
    const file = readDatabaseFile(dataDirectory);
    refuseFenced(join(dataDirectory, file.primary));
    refuseMissing(dataDirectory, file.primary);
    const at = siteOf(file.primary);
    const server = serverOn(at);
    primary = server;
    term = file.term;
    await server.start(signal, () => prepareCluster(at, { ...deps, signal }));
  }

  async function forget(standby: Standby, deadline: AbortSignal): Promise<void> {
    await standby.stop(deadline);
    standbys.delete(standby.name);
  }

  /** Those that a promotion has taken over included: two watches over one directory would be in each other's way. */
  async function stopStandbys(): Promise<void> {
    const { signal, done } = createDeadline(clock, RESTART_STOP_MS);
    const taken = opened.filter((server) => server !== primary && isUp(server.state()));
    const stopping = [...standbys.values()].map((standby) => forget(standby, signal));
    await Promise.all([...stopping, ...taken.map((server) => server.stop(signal))]).finally(done);
  }

  /** What an earlier owner, that kept more standbys, has left running. */
  async function endUnkept(names: readonly DirectoryName[], signal: AbortSignal): Promise<void> {
    const unkept = DIRECTORY_NAMES.filter((name) => !names.includes(name));
    for (const name of unkept.filter((each) => existsSync(join(dataDirectory, each)))) {
      const at = siteOf(name);
      const lock = createPostgresLock(at.dataDirectory, deps);
      await settlePrevious(at, { ...deps, signal, adopts: false, lock }).finally(lock.release);
    }
  }

  function keepStandbys(): void {
    const leader = primary;
    if (!leader) return;
    const names = readDatabaseFile(dataDirectory).standbys;
    for (const name of names) {
      if (standbys.has(name)) continue;
      const at = siteOf(name);
      const kept = { name, site: at, settings, startTimeoutMs: options.startTimeoutMs };
      standbys.set(name, keepStandby(kept, { ...deps, primary: leader, onChange: announce }));
    }
    const address = leader.address();
    if (!address) return;
    dropSlotsExcept(names, DIRECTORY_NAMES, address).catch((error: unknown) =>
      log.warn({ reason: describeError(error) }, 'slots of standbys that are not kept could not be dropped'),
    );
  }

  return {
    dataDirectory,
    primary: () => primary,
    standby: (name) => standbys.get(name),
    async claim(signal) {
      const file = await changeDatabaseFile(dataDirectory, deps, (now) => {
        const standing = standbyNames(now.primary, now.standbys, options.standbys ?? 0);
        return standing.join() === now.standbys.join() ? undefined : { ...now, standbys: standing };
      });
      // What is there already says whom it belongs to, and where.
      const names = [file.primary, ...file.standbys];
      const there = names.find((name) => existsSync(join(dataDirectory, name))) ?? file.primary;
      site = await chooseSite(join(dataDirectory, there), options.site, {
        signal,
        report: deps.report,
        randomName: () => random.bytes(6).toString('hex'),
        onPrivateDirectory: deps.onPrivateDirectory,
      });
      await endUnkept(names, signal);
    },
    startPrimary,
    async startAgain(signal) {
      if (primary && isUp(primary.state())) return;
      await stopStandbys();
      const timeout = startTimeout(clock, options.startTimeoutMs, signal, tail);
      try {
        await startPrimary(timeout.signal);
      } catch (error) {
        // Nobody watches over one that has not started; what is left of it would be in the way of the next try.
        await primary?.kill();
        throw error;
      } finally {
        timeout.done();
      }
    },
    async release(name) {
      const server = await standbys.get(name)?.release();
      standbys.delete(name);
      return server && opening(server);
    },
    running(name) {
      const at = siteOf(name).dataDirectory;
      return opened.find(({ site: { dataDirectory: on }, state: of }) => on === at && isUp(of()));
    },
    replay(name, from) {
      const kept = { name, site: siteOf(name), settings, startTimeoutMs: options.startTimeoutMs };
      const server: PostgresServer = createReplay(kept, siteOf(from).dataDirectory, {
        ...deps,
        onChange: () => server === primary && announce(),
      });
      return opening(server);
    },
    stopStandbys,
    crown(server) {
      primary = server;
      term = readDatabaseFile(dataDirectory).term;
      announce();
    },
    keepStandbys,
    announce,
    state,
    address: () => primary?.address(),
    term: () => term,
    standbyAddresses: () => [...standbys.values()].flatMap((standby) => standby.address() ?? []),
    standbyStates: () => new Map([...standbys].map(([name, standby]) => [name, standby.state()])),
    /**
     * The primary first: a clean shutdown waits until the standbys that follow have all of its log, so that any of them
     * could be promoted without a loss before the next start. One that hangs is given up after `wal_sender_timeout`.
     */
    async stop(deadline) {
      await primary?.stop(deadline);
      await Promise.all([...standbys.values()].map((standby) => standby.stop(deadline)));
      for (const server of opened) if (server !== primary) await server.stop(deadline);
    },
    tail,
  };
}

function isUp({ kind }: PostgresState): boolean {
  return kind !== 'idle' && kind !== 'stopped';
}

/** As many as are wanted: those there are first, then directories that are not in use. */
function standbyNames(
  primary: DirectoryName,
  standing: readonly DirectoryName[],
  wanted: number,
): DirectoryName[] {
  const free = DIRECTORY_NAMES.filter((name) => name !== primary && !standing.includes(name));
  return [...standing, ...free].slice(0, wanted);
}

/** A new database is made only where there is none: never in the place of one whose standby is still there. */
function refuseMissing(dataDirectory: string, primary: DirectoryName): void {
  if (existsSync(join(dataDirectory, primary))) return;
  const others = DIRECTORY_NAMES.filter((name) => existsSync(join(dataDirectory, name, 'PG_VERSION')));
  if (others.length === 0) return;
  throw embeddedErrors.primary_missing({
    detail: `${join(dataDirectory, primary)}, the primary, is gone, but ${others.join(' and ')} beside it is there; put it back, or ask for \`loadstone database promote --force\` and start again`,
  });
}
