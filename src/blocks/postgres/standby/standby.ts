/**
 * Keeps one standby beside the primary: makes it by a base backup, runs it, and makes it anew when it can no longer
 * follow. All of that in the background: the primary never waits for it.
 *
 * States:  waiting ─▶ copying ─▶ starting ─▶ following ─▶ stopped
 *             │          ▲           ▲           │ its slot was lost, or it has not followed for `PATIENCE_MS`
 *             │          └───────────┴─ failing ◀┘  tried again, at most `RETRY.maxMs` apart
 *             └──────────────────────▶ it is there already
 *
 * One that hangs is killed: the primary's walsender can hang with it, in telling it that its slot was lost, and with that
 * every checkpoint (seen on Postgres 18.4 with a standby that was stopped by SIGSTOP).
 */
import { existsSync, renameSync } from 'node:fs';
import { rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { backoffMs } from '#base/backoff';
import { sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { describeError } from '#base/errors';
import type { Runtime } from '#base/runtime';
import { ask } from '../ask.ts';
import { isCluster, makeDraftName, removeDrafts } from '../directory/cluster.ts';
import type { DirectoryName } from '../directory/database-file.ts';
import { syncDirectory } from '../directory/sync-directory.ts';
import type { PostgresAddress } from '../engine.ts';
import { embeddedErrors, toDataError } from '../errors.ts';
import { createPostgresServer, type PostgresServer } from '../process/postgres-server.ts';
import { startTimeout } from '../process/supervisor.ts';
import { SUPERUSER_NAME } from '../settings.ts';
import type { Site } from '../site-shape.ts';
import { takeBaseBackup } from './base-backup.ts';
import { isFenced, isStandby, markStandby } from './fence.ts';

export type StandbyState =
  | { kind: 'waiting' }
  | { kind: 'copying' }
  | { kind: 'starting' }
  | { kind: 'following'; isStreaming: boolean; lagBytes: number | undefined }
  | { kind: 'failing'; reason: string }
  | { kind: 'stopped' };

export interface StandbyOptions {
  name: DirectoryName;
  site: Site;
  settings: Readonly<Record<string, string>>;
  startTimeoutMs: number;
}

export interface StandbyDeps extends Runtime {
  /** What it follows. */
  primary: PostgresServer;
  onChange: () => void;
}

export interface Standby {
  readonly name: DirectoryName;
  readonly site: Site;
  state(): StandbyState;
  /** Where it answers reads; undefined while it does not. */
  address(): PostgresAddress | undefined;
  /** Asks the primary whether it is connected to it, and has all but what was written just now. */
  isStreaming(): Promise<boolean>;
  /** The last position that the primary was seen to have on disk. */
  primaryLsn(): string | undefined;
  /** Ends the watch, and the Postgres. */
  stop(deadline: AbortSignal): Promise<void>;
  /** Ends the watch alone, and gives the Postgres to whoever promotes it; undefined if none runs. */
  release(): Promise<PostgresServer | undefined>;
}

const RETRY = { baseMs: 200, maxMs: 30_000 };
const POLL_MS = 100;
const WATCH_MS = 500;
/**
 * A standby that is up, beside a primary that is up, finds it within a second, and then tells it every second how far it
 * has come. One that does not is restarted, and if that does not help made anew.
 */
const PATIENCE_MS = 15_000;
const REMAKE_STOP_MS = 10_000;
/** For log, the copy's and what the primary writes meanwhile. */
const ROOM_BYTES = 128 << 20;

/** The name of a standby's slot on its primary. */
export function slotOf(name: DirectoryName): string {
  return name.replaceAll('-', '_');
}

/** Postgres settings with which it follows; of no effect once it has been promoted. */
function followSettings(name: DirectoryName, primary: PostgresAddress): Record<string, string> {
  const quote = (value: string) => `'${value.replaceAll(/['\\]/g, '\\$&')}'`;
  return {
    primary_conninfo: `host=${quote(primary.host)} port=${primary.port} user=${SUPERUSER_NAME} application_name=${quote(name)}`,
    primary_slot_name: slotOf(name),
  };
}

/**
 * A standby that starts without following anybody: it replays what is there of the log, also in the data directory
 * `restoreFrom`, whose Postgres must have ended.
 */
export function createReplay(
  options: StandbyOptions,
  restoreFrom: string,
  deps: Omit<StandbyDeps, 'primary'>,
): PostgresServer {
  // Postgres hands the command to a shell, with %f and %p in the place of a file's name and where it shall go.
  const log = `'${join(restoreFrom, 'pg_wal').replaceAll('%', '%%').replaceAll("'", `'\\''`)}'`;
  const restore_command = `[ -f ${log}/%f ] && cp ${log}/%f "%p"`;
  const settings = { ...options.settings, restore_command };
  return createServerOf({ ...options, settings }, deps);
}

function createServerOf(options: StandbyOptions, deps: Omit<StandbyDeps, 'primary'>): PostgresServer {
  const { clock, random, log, onChange } = deps;
  return createPostgresServer(
    { ...options, adopts: false },
    { clock, random, log, report: (line) => log.info(line), onState: onChange },
  );
}

/** `lost`: the primary has dropped log that it needs. `silent`: it does not find the primary, or hangs. */
type Ending = 'lost' | 'silent';

/** Begins at once. */
export function keepStandby(options: StandbyOptions, deps: StandbyDeps): Standby {
  const { name, site } = options;
  const { clock, log, random, primary } = deps;
  const ending = new AbortController();
  let state: StandbyState = { kind: 'waiting' };
  let server: PostgresServer | undefined;
  let primaryLsn: string | undefined;
  let hasFollowed = false;

  function become(next: StandbyState): void {
    // How far it is behind changes all the time, and is nobody's concern but of those who ask.
    const of = (each: StandbyState) => `${each.kind} ${each.kind === 'following' && each.isStreaming}`;
    const isSame = of(next) === of(state);
    state = next;
    if (!isSame) deps.onChange();
  }

  async function primaryReady(): Promise<PostgresAddress> {
    for (;;) {
      const address = primary.address();
      if (address && primary.state().kind === 'ready') return address;
      await sleep(clock, POLL_MS, ending.signal);
    }
  }

  async function remake(address: PostgresAddress): Promise<void> {
    become({ kind: 'copying' });
    log.info({ standby: name }, 'a standby is made by a base backup');
    await replaceByBackup(
      site,
      { address, dataDirectory: primary.site.dataDirectory },
      { clock, random, signal: ending.signal },
    );
  }

  /** Follows the primary for as long as that works. @returns why it no longer does */
  async function watch(): Promise<Ending> {
    let followedMs = clock.monotonicMs();
    for (;;) {
      const isFollowing = state.kind === 'following' && state.isStreaming;
      await sleep(clock, isFollowing ? WATCH_MS : POLL_MS, ending.signal);
      if (primary.state().kind !== 'ready') {
        followedMs = clock.monotonicMs();
        become({ kind: 'following', isStreaming: false, lagBytes: undefined });
        continue;
      }
      const seen = await lookAt(name, primary).catch(() => undefined);
      if (!seen) continue;
      primaryLsn = seen.flushed;
      if (seen.isLost) return 'lost';
      if (seen.isStreaming && seen.silentMs < PATIENCE_MS) {
        followedMs = clock.monotonicMs();
        hasFollowed = true;
      }
      become({ kind: 'following', isStreaming: seen.isStreaming, lagBytes: seen.lagBytes });
      if (clock.monotonicMs() - followedMs > PATIENCE_MS) return 'silent';
    }
  }

  async function follow(isUnfit: boolean): Promise<Ending> {
    become({ kind: 'waiting' });
    const address = await primaryReady();
    await claimSlot(name, address);
    if (isUnfit || !isStandby(site.dataDirectory)) await remake(address);
    become({ kind: 'starting' });
    server = createServerOf(
      { ...options, settings: { ...options.settings, ...followSettings(name, address) } },
      { ...deps, onChange: deps.onChange },
    );
    const timeout = startTimeout(clock, options.startTimeoutMs, ending.signal, server.tail);
    await server.start(timeout.signal).finally(timeout.done);
    return watch();
  }

  async function stopServer(deadline: AbortSignal): Promise<void> {
    const running = server;
    server = undefined;
    await running?.stop(deadline);
  }

  async function keep(): Promise<void> {
    let isUnfit = false;
    for (let attempt = 1; !ending.signal.aborted; attempt++) {
      try {
        hasFollowed = false;
        const reason = await follow(isUnfit);
        isUnfit = reason === 'lost' || !hasFollowed;
        if (hasFollowed) attempt = 1;
        log.warn(
          { standby: name, reason, isUnfit },
          'a standby no longer follows, and is restarted or made anew',
        );
        await server?.kill();
      } catch (error) {
        if (ending.signal.aborted) return;
        const reason = describeError(error);
        log.error({ standby: name, reason }, 'a standby cannot be kept, and is tried again');
        become({ kind: 'failing', reason });
        // One that Postgres refuses to start twice in a row is not worth a third try.
        isUnfit ||= attempt >= 2 && existsSync(site.dataDirectory);
      }
      const deadline = createDeadline(clock, REMAKE_STOP_MS);
      await stopServer(deadline.signal).finally(deadline.done);
      await sleep(clock, backoffMs(RETRY, attempt, random), ending.signal).catch(() => {});
    }
  }

  const kept = keep();
  return {
    name,
    site,
    state: () => state,
    address: () => (server?.state().kind === 'ready' ? server.address() : undefined),
    isStreaming: async () => (await lookAt(name, primary).catch(() => undefined))?.isStreaming ?? false,
    primaryLsn: () => primaryLsn,
    async stop(deadline) {
      ending.abort();
      await kept;
      await stopServer(deadline);
      become({ kind: 'stopped' });
    },
    async release() {
      ending.abort();
      await kept;
      become({ kind: 'stopped' });
      return server;
    },
  };
}

/**
 * The slot keeps the log from now on. A lost one is dropped first: it keeps nothing, and cannot be used again.
 */
async function claimSlot(name: DirectoryName, address: PostgresAddress): Promise<void> {
  const slot = slotOf(name);
  await ask(
    address,
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots
      where slot_name = $1 and wal_status = 'lost' and not active`,
    [slot],
  );
  await ask(
    address,
    `select pg_create_physical_replication_slot($1, true)
      where not exists (select from pg_replication_slots where slot_name = $1)`,
    [slot],
  );
}

interface Seen {
  flushed: string;
  isStreaming: boolean;
  isLost: boolean;
  lagBytes: number | undefined;
  /** Since it last told how far it is. */
  silentMs: number;
}

async function lookAt(name: DirectoryName, primary: PostgresServer): Promise<Seen | undefined> {
  const address = primary.address();
  if (!address) return undefined;
  const [row] = await ask<{
    flushed: string;
    wal_status: string | null;
    state: string | null;
    lag: string | null;
    silent_ms: number | null;
  }>(
    address,
    `select pg_current_wal_flush_lsn()::text as flushed, slot.wal_status, sender.state,
        pg_wal_lsn_diff(pg_current_wal_flush_lsn(), sender.replay_lsn)::text as lag,
        (extract(epoch from clock_timestamp() - sender.reply_time) * 1000)::float8 as silent_ms
      from (select) as one
      left join pg_replication_slots as slot on slot.slot_name = $1
      left join pg_stat_replication as sender on sender.application_name = $2`,
    [slotOf(name), name],
  );
  if (!row) return undefined;
  return {
    flushed: row.flushed,
    isStreaming: row.state === 'streaming',
    isLost: row.wal_status === null || row.wal_status === 'lost',
    lagBytes: row.lag === null ? undefined : Math.max(0, Number(row.lag)),
    silentMs: row.silent_ms ?? 0,
  };
}

/** Drops the slots of standbys that are not kept (any more), so that no log is kept for them. */
export async function dropSlotsExcept(
  names: readonly DirectoryName[],
  all: readonly DirectoryName[],
  address: PostgresAddress,
): Promise<void> {
  const gone = all.filter((name) => !names.includes(name)).map(slotOf);
  await ask(
    address,
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = any($1) and not active`,
    [gone],
  );
}

/**
 * Puts a new copy of the primary where the standby is or was: aside first, so that a kill at any moment leaves a whole
 * directory or none, and a leftover that the next try removes.
 * @throws standby_unusable or data_foreign if something else is there
 */
async function replaceByBackup(
  site: Site,
  source: { address: PostgresAddress; dataDirectory: string },
  deps: Pick<Runtime, 'clock' | 'random'> & { signal: AbortSignal },
): Promise<void> {
  const { dataDirectory, launch } = site;
  refuseForeign(site);
  await removeDrafts(dataDirectory, deps.clock);
  await refuseWithoutRoom(dirname(dataDirectory), source.address);
  const draft = makeDraftName(dataDirectory, deps.random);
  try {
    await takeBaseBackup(source, draft, { ...deps, owner: launch.account });
    markStandby(draft, launch.account);
    const old = makeDraftName(dataDirectory, deps.random);
    if (existsSync(dataDirectory)) renameSync(dataDirectory, old);
    renameSync(draft, dataDirectory);
    syncDirectory(dirname(dataDirectory));
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => {});
    throw toDataError(error, dataDirectory);
  }
}

/** A copy that fills the disk up would take the primary down with it. */
async function refuseWithoutRoom(directory: string, primary: PostgresAddress): Promise<void> {
  const [row] = await ask<{ bytes: string }>(
    primary,
    'select sum(pg_database_size(oid))::text as bytes from pg_database',
  );
  const neededBytes = Math.ceil(Number(row?.bytes ?? 0) * 1.1) + ROOM_BYTES;
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= neededBytes) return;
  throw embeddedErrors.standby_unusable({
    detail: `a copy of the primary in ${directory} wants ${megabytes(neededBytes)} of free disk, and there are ${megabytes(bavail * bsize)}`,
  });
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MB`;
}

/** Only what was a standby, or a primary before a promotion, is replaced. */
function refuseForeign(site: Site): void {
  const { dataDirectory } = site;
  if (isStandby(dataDirectory) || isFenced(dataDirectory) || !isCluster(site)) return;
  throw embeddedErrors.standby_unusable({
    detail: `${dataDirectory} holds a Postgres that is no standby, and a standby would replace it; move it away`,
  });
}
