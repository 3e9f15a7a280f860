/**
 * The embedded Postgres as seen by a process that does not own it: it looks where the owner runs it, and starts and stops
 * nothing.
 */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { type Clock, sleep } from '#base/clock';
import { describeError } from '#base/errors';
import { createLifecycle, type Health } from '#base/lifecycle';
import { createChangeWatch } from './directory/change-watch.ts';
import { readDatabaseFile } from './directory/database-file.ts';
import type { PostgresAddress, PostgresEngine } from './engine.ts';
import { embeddedErrors } from './errors.ts';
import { findPostmaster } from './process/postmaster-file.ts';
import { POSTGRES_PORT } from './process/socket-directory.ts';
import { DATABASE_NAME } from './settings.ts';
import { realDirectory } from './site.ts';
import { isFenced, isStandby } from './standby/fence.ts';

export interface JoinedPostgresOptions {
  /** `<data>/postgres`, as for the owner. */
  directory: string;
  /** How long the start waits for the owner to have a primary. */
  startTimeoutMs: number;
}

const POLL_MS = 200;
/** While all is well; what changes is told of. */
const WATCH_MS = 1000;

interface View {
  term: number;
  address: PostgresAddress | undefined;
  standbys: PostgresAddress[];
  health: Health;
}

/** Starting it raises postgres_not_running, with the reason. */
export function createJoinedPostgres(options: JoinedPostgresOptions, deps: { clock: Clock }): PostgresEngine {
  const dataDirectory = dirname(options.directory);
  const listeners = new Set<() => void>();
  const ending = new AbortController();
  let watching: Promise<void> | undefined;
  let view: View = { term: 1, address: undefined, standbys: [], health: failing('not looked for yet') };

  function look(): void {
    const before = JSON.stringify(view);
    try {
      view = lookIn(dataDirectory, view);
    } catch (error) {
      // Whatever keeps it from looking (no more file descriptors, for one): the next look may tell.
      view = { ...view, health: failing(describeError(error)) };
    }
    if (JSON.stringify(view) === before) return;
    for (const listener of [...listeners]) listener();
  }

  async function watch(): Promise<void> {
    const changes = createChangeWatch(deps.clock, () => [dataDirectory, options.directory]);
    ending.signal.addEventListener('abort', changes.close, { once: true });
    for (;;) {
      await changes.wait(view.health.status === 'ok' ? WATCH_MS : POLL_MS, ending.signal);
      look();
    }
  }

  const lifecycle = createLifecycle('joined Postgres', {
    async start(signal) {
      const beganMs = deps.clock.monotonicMs();
      for (look(); view.health.status === 'failing'; look()) {
        if (deps.clock.monotonicMs() - beganMs > options.startTimeoutMs) {
          throw embeddedErrors.postgres_not_running({
            detail: `no server runs Postgres in ${dataDirectory}: ${view.health.reason}`,
          });
        }
        await sleep(deps.clock, POLL_MS, signal);
      }
      watching = watch().catch(() => {});
    },
    async stop() {
      ending.abort();
      await watching;
    },
    health: () => view.health,
  });
  return {
    ...lifecycle,
    get address() {
      assert(view.address, 'a joined Postgres has no address before it has started');
      return view.address;
    },
    get term() {
      return view.term;
    },
    standbys: () => view.standbys,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const failing = (reason: string): Health => ({ status: 'failing', reason });

/** What is there now. Term and address stay as they were until a primary in that term takes connections. */
function lookIn(dataDirectory: string, before: View): View {
  const file = readDatabaseFile(dataDirectory);
  const standbys = file.standbys.flatMap((name) => {
    const directory = join(dataDirectory, name);
    return (isStandby(directory) && socketIn(directory)) || [];
  });
  const seen = { ...before, standbys };
  if (file.promotion?.state === 'decided') {
    return { ...seen, health: failing(`${file.primary} is being promoted`) };
  }
  const directory = join(dataDirectory, file.primary);
  if (isFenced(directory) || isStandby(directory)) {
    return { ...seen, health: failing(`${file.primary} is no primary any more`) };
  }
  const address = socketIn(directory);
  if (!address) return { ...seen, health: failing('its owner does not run Postgres') };
  return { term: file.term, address, standbys, health: { status: 'ok' } };
}

/** Where the Postgres of a directory takes connections; undefined if none does. */
export function socketIn(directory: string): PostgresAddress | undefined {
  try {
    const found = findPostmaster(realDirectory(directory));
    if (found.kind !== 'live' || found.file.status !== 'ready') return undefined;
    return { host: found.file.socketDirectory, port: POSTGRES_PORT, database: DATABASE_NAME };
  } catch (error) {
    // The directory may be gone, or be replaced at this moment.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
