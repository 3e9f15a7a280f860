/**
 * A Postgres that an earlier server left running on our data directory. We hold the directory's lock, so that server is
 * dead, and its Postgres is either on its way out (tied to it) or nobody's (where nothing ties it: macOS).
 * One that is taken over keeps the settings it was started with, and its log is not read until it is next restarted.
 */
import { rmSync } from 'node:fs';
import { type Clock, sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { type PostgresLock, refuseUnseen } from '../directory/postgres-lock.ts';
import { createClient } from '../driver.ts';
import { adoptPostmaster, type Postmaster, stopPostmaster, sweepOrphans } from '../process/postmaster.ts';
import { type FoundPostmaster, findPostmaster, postmasterFileOf } from '../process/postmaster-file.ts';
import { POSTGRES_PORT, verifySocketDirectory } from '../process/socket-directory.ts';
import { DATABASE_NAME, SUPERUSER_NAME } from '../settings.ts';
import type { Site } from '../site-shape.ts';

/** How long a tied Postgres may look untouched before it counts as left alone. */
const SIGNAL_MS = 1000;
const POLL_MS = 10;
/** Of one that is not seen: looking takes a program. */
const UNSEEN_POLL_MS = 50;
const CONNECT_TIMEOUT_MS = 2000;
const STOP_MS = 10_000;

export interface Adopted {
  postmaster: Postmaster;
  socketDirectory: string;
}

interface PreviousDeps {
  clock: Clock;
  /** Bounds the wait. */
  signal: AbortSignal;
  report: (line: string) => void;
  /** Whether a healthy one is given to the caller; if not, it is stopped. */
  adopts: boolean;
  /** Ours in the end, unless one is given to the caller: that one has it. */
  lock: PostgresLock;
}

/**
 * Waits for a Postgres that is stopping to end; gives a healthy one to the caller; ends one that cannot be reached.
 * Undefined when the directory is free. One in another container is not found by its pid, but its lock is seen: it is
 * waited for, and the file in which it describes itself is left alone until then.
 * @throws data_in_use when such a one does not end in time
 */
export async function settlePrevious(site: Site, deps: PreviousDeps): Promise<Adopted | undefined> {
  const beganMs = deps.clock.monotonicMs();
  const report = once(deps.report);
  for (;;) {
    deps.signal.throwIfAborted();
    const found = findPostmaster(site.dataDirectory);
    if (found.kind !== 'live') {
      await sweepOrphans(site.dataDirectory, deps.clock);
      if (deps.lock.take()) {
        // Postgres clears a file of the dead by itself, but neither one whose pid is another process, nor one cut short.
        if (found.kind !== 'none') rmSync(postmasterFileOf(site.dataDirectory), { force: true });
        return undefined;
      }
      report('waiting for the Postgres of an earlier server, which runs in another container');
      await sleep(deps.clock, UNSEEN_POLL_MS, deps.signal).catch((cause: unknown) =>
        refuseUnseen(site.dataDirectory, cause),
      );
      continue;
    }
    const waitedMs = deps.clock.monotonicMs() - beganMs;
    if (found.file.status === 'ready' && (!site.launch.tied || waitedMs >= SIGNAL_MS))
      return adopt(found, site, deps);
    report(`waiting for the Postgres of an earlier server (pid ${found.file.pid})`);
    await sleep(deps.clock, POLL_MS, deps.signal);
  }
}

function once(report: (line: string) => void): (line: string) => void {
  let reported = false;
  return (line) => {
    if (!reported) report(line);
    reported = true;
  };
}

async function adopt(
  { file, identity }: Extract<FoundPostmaster, { kind: 'live' }>,
  site: Site,
  deps: PreviousDeps,
): Promise<Adopted | undefined> {
  const postmaster = adoptPostmaster(identity, deps);
  if (!deps.adopts) {
    deps.report(`stopping the Postgres that an earlier server left running (pid ${file.pid})`);
    await stopLeftover(postmaster, site, deps);
    return undefined;
  }
  try {
    verifySocketDirectory(file.socketDirectory, site.launch.account.uid);
    await connectOnce(file.socketDirectory);
    deps.report(`using the Postgres that an earlier server left running (pid ${file.pid})`);
    return { postmaster, socketDirectory: file.socketDirectory };
  } catch {
    deps.report(
      `stopping the Postgres that an earlier server left running (pid ${file.pid}): it cannot be reached`,
    );
    await stopLeftover(postmaster, site, deps);
    return undefined;
  }
}

/** It may hang, and a start shall not wait for that with all of its time. */
async function stopLeftover(postmaster: Postmaster, site: Site, deps: PreviousDeps): Promise<void> {
  const deadline = createDeadline(deps.clock, STOP_MS, deps.signal);
  await stopPostmaster(postmaster, site.dataDirectory, deadline.signal, deps.clock).finally(deadline.done);
  await sweepOrphans(site.dataDirectory, deps.clock);
  await deps.lock.taken(deps.signal);
}

async function connectOnce(socketDirectory: string): Promise<void> {
  const client = createClient({
    host: socketDirectory,
    port: POSTGRES_PORT,
    database: DATABASE_NAME,
    user: SUPERUSER_NAME,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
  } finally {
    await client.end();
  }
}
