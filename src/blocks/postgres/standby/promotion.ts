/**
 * Makes a standby the primary. Steps, each of which finds out for itself what of it is done already, so that a start after
 * a kill at any moment finishes the work:
 *
 *   1. the old primary ends: handed over (a clean shutdown, all of its log replayed by the standby) or seized (killed,
 *      and the rest of its log replayed from its directory, as far as that can be read)
 *   2. database.json names the new primary, in a higher term: from here on there is no way back
 *   3. the old directory is fenced
 *   4. Postgres promotes the standby, and takes writes
 *   5. database.json says so
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, sleep } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { describeError, isLoadstoneError } from '#base/errors';
import { defineFaults } from '#base/faults';
import type { Runtime } from '#base/runtime';
import { ask } from '../ask.ts';
import { readControlFile } from '../directory/control-file.ts';
import {
  changeDatabaseFile,
  type DatabaseFile,
  type DirectoryName,
  isWanted,
  type Promotion,
} from '../directory/database-file.ts';
import { createPostgresLock } from '../directory/postgres-lock.ts';
import type { PostgresAddress } from '../engine.ts';
import { embeddedErrors } from '../errors.ts';
import { parseLsn } from '../position.ts';
import type { PostgresServer } from '../process/postgres-server.ts';
import { adoptPostmaster, killPostmaster } from '../process/postmaster.ts';
import { findPostmaster } from '../process/postmaster-file.ts';
import { realDirectory } from '../site.ts';
import { fenceDirectory, isStandby } from './fence.ts';
import type { Standby } from './standby.ts';

const faults = defineFaults('database', {
  promotion_begun: 'a promotion has been taken up; nothing has changed yet',
  promotion_seized: 'the old primary has ended, and nothing says yet that there will be another',
  promotion_decided:
    'database.json names the new primary; the old one is not fenced, the new one not promoted',
  promotion_fenced: 'the old primary is fenced; the new one is not promoted',
  promotion_promoted: 'the new primary takes writes; database.json does not say so yet',
});

/** What the owner of the Postgres servers lends to a promotion. */
export interface Ensemble {
  /** Where database.json is. */
  readonly dataDirectory: string;
  /** Undefined while none has been started. */
  primary(): PostgresServer | undefined;
  standby(name: DirectoryName): Standby | undefined;
  /** Ends the watch over a standby, and gives its Postgres; undefined if none runs. */
  release(name: DirectoryName): Promise<PostgresServer | undefined>;
  /** What runs on a directory and is watched as no standby. */
  running(name: DirectoryName): PostgresServer | undefined;
  /** Ends the standbys, which follow a primary that is none any more. */
  stopStandbys(): Promise<void>;
  /** A server on a standby's directory that replays what it finds there, and in the directory of another. Not started. */
  replay(name: DirectoryName, from: DirectoryName): PostgresServer;
  /** From now on this one is the primary. */
  crown(server: PostgresServer): void;
}

export interface PromotionDeps extends Runtime {
  /** Aborts when the owner stops; what is not finished then is left to the next start. */
  signal: AbortSignal;
}

const HAND_OVER_MS = 30_000;
const REPLAY_START_MS = 60_000;
const PROMOTE_S = 60;
const POLL_MS = 20;
const ASK_MS = 1000;

function refuse(why: string): Error {
  return embeddedErrors.promotion_refused({ detail: why });
}

/** Writes what has become of the promotion, unless it is no longer the one that the file tells of. */
function note(
  ensemble: Ensemble,
  deps: PromotionDeps,
  { id }: Promotion,
  change: (now: DatabaseFile, promotion: Promotion) => DatabaseFile | undefined,
): Promise<DatabaseFile> {
  return changeDatabaseFile(ensemble.dataDirectory, deps, (now) =>
    now.promotion?.id === id ? change(now, now.promotion) : undefined,
  );
}

/**
 * Carries out a promotion that has been asked for, from its beginning.
 * @returns false if it was refused or taken back: then the old primary is to be started again, should it have ended
 */
export async function carryOut(
  ensemble: Ensemble,
  promotion: Promotion,
  deps: PromotionDeps,
): Promise<boolean> {
  const begun = await note(ensemble, deps, promotion, (now, found) =>
    isWanted(now) ? { ...now, promotion: { ...found, state: 'begun' } } : undefined,
  );
  if (!isWanted(begun) || begun.promotion.id !== promotion.id) return false;
  await faults.promotion_begun();
  try {
    const seize = promotion.isForced ? seizePrimary : handOver;
    const primaryLsn = await seize(ensemble, promotion, deps);
    await faults.promotion_seized();
    const decided = await note(ensemble, deps, promotion, (now, found) => ({
      term: now.term + 1,
      primary: found.standby,
      standbys: now.standbys.map((name) => (name === found.standby ? found.from : name)),
      promotion: { ...found, state: 'decided' },
    }));
    await faults.promotion_decided();
    await finish(ensemble, decided, deps, primaryLsn);
    return true;
  } catch (error) {
    if (deps.signal.aborted || !isLoadstoneError(error) || error.code !== 'promotion_refused') throw error;
    deps.log.error({ promotion, reason: error.message }, 'no standby is promoted');
    await note(ensemble, deps, promotion, (now, found) => ({
      ...now,
      promotion: { ...found, state: 'refused', reason: error.message.slice(0, 2000) },
    }));
    return false;
  }
}

/** @returns undefined: the standby has all there is */
async function handOver(ensemble: Ensemble, promotion: Promotion, deps: PromotionDeps): Promise<undefined> {
  const primary = ensemble.primary();
  const standby = ensemble.standby(promotion.standby);
  const address = standby?.address();
  if (!standby) throw refuse(`${promotion.standby} is not kept as a standby`);
  if (primary?.state().kind !== 'ready') {
    throw refuse('the primary is down and cannot hand over; --force takes what is on its disk');
  }
  if (!address || !(await standby.isStreaming())) {
    throw refuse(`${standby.name} does not follow the primary: ${describeState(standby)}`);
  }
  const deadline = createDeadline(deps.clock, HAND_OVER_MS, deps.signal);
  try {
    await primary.stop(deadline.signal);
    deps.signal.throwIfAborted();
    const { isShutDown, checkpointLsn } = readControlFile(primary.site.dataDirectory);
    if (!isShutDown) throw refuse('the primary did not shut down cleanly; it is started again');
    await untilReplayed(address, checkpointLsn, deps.clock, deadline.signal);
  } catch (error) {
    deps.signal.throwIfAborted();
    if (isLoadstoneError(error) && error.code === 'promotion_refused') throw error;
    throw refuse(`${standby.name} did not replay all that the primary had written: ${describeError(error)}`);
  } finally {
    deadline.done();
  }
  const server = await ensemble.release(standby.name);
  if (!server) throw refuse(`${standby.name} has ended`);
  return undefined;
}

function describeState(standby: Standby): string {
  const state = standby.state();
  if (state.kind === 'failing') return state.reason;
  return state.kind === 'following' ? 'it is not connected to it' : `it is ${state.kind}`;
}

async function untilReplayed(
  address: PostgresAddress,
  lsn: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const [row] = await ask<{ replayed: boolean }>(
      address,
      'select pg_last_wal_replay_lsn() > $1::pg_lsn as replayed',
      [lsn],
    );
    if (row?.replayed) return;
    await sleep(clock, POLL_MS, signal);
  }
}

/**
 * Kills the old primary, and has the standby replay the rest of the log from its directory: what was acknowledged is on
 * that disk, if the disk is still there.
 * @returns how far the old primary was last seen to have come
 */
async function seizePrimary(
  ensemble: Ensemble,
  promotion: Promotion,
  deps: PromotionDeps,
): Promise<string | undefined> {
  const { from, standby: name } = promotion;
  const standby = ensemble.standby(name);
  const directory = join(ensemble.dataDirectory, name);
  if (!isStandby(directory)) throw refuse(`${name} has never caught up with the primary`);
  const primary = ensemble.primary();
  if (primary && standby && !standby.address()) {
    throw refuse(`${name} does not run: ${describeState(standby)}`);
  }
  const primaryLsn = (await flushedLsn(primary)) ?? standby?.primaryLsn();
  await killAllIn(ensemble, from, deps);
  // Nothing is gained by a clean shutdown, which what hangs could hold up: either way it goes on at its last restartpoint.
  await (await ensemble.release(name))?.kill();
  // Of a try that came no further.
  await ensemble.running(name)?.kill();
  await refuseGap(ensemble, promotion, await startReplay(ensemble, promotion, deps));
  return primaryLsn;
}

async function startReplay(
  ensemble: Ensemble,
  { standby, from }: Promotion,
  { clock, signal }: PromotionDeps,
): Promise<PostgresServer> {
  const server = ensemble.replay(standby, from);
  const deadline = createDeadline(clock, REPLAY_START_MS, signal);
  try {
    await server.start(deadline.signal);
    return server;
  } catch (error) {
    await server.kill();
    signal.throwIfAborted();
    throw refuse(`${standby} cannot be started: ${describeError(error)}`);
  } finally {
    deadline.done();
  }
}

/**
 * Where the old primary is whole, but has dropped log that the standby needs to come to what the old one has: that one,
 * which lacks nothing, is not given up for it.
 */
async function refuseGap(
  { dataDirectory }: Ensemble,
  { from, standby }: Promotion,
  server: PostgresServer,
): Promise<void> {
  const there = segmentsIn(join(dataDirectory, from, 'pg_wal'));
  const oldest = there.toSorted((one, other) => one - other)[0];
  const address = server.address();
  if (oldest === undefined || !address) return;
  const [row] = await ask<{ lsn: string }>(address, 'select pg_last_wal_replay_lsn()::text as lsn');
  const own = new Set(segmentsIn(join(dataDirectory, standby, 'pg_wal')));
  let needed = row ? lastSegmentOf(row.lsn) : oldest;
  while (needed < oldest && own.has(needed)) needed++;
  if (needed >= oldest) return;
  await server.kill();
  throw refuse(
    `${standby} is so far behind that ${from} has dropped log that it needs, and all that was written since would be lost; if ${from} cannot be used, move it away and ask again`,
  );
}

/** Undefined if the primary does not answer at once. */
async function flushedLsn(primary: PostgresServer | undefined): Promise<string | undefined> {
  const address = primary?.address();
  if (!address) return undefined;
  const query = 'select pg_current_wal_flush_lsn()::text as lsn';
  const rows = await ask<{ lsn: string }>(address, query, [], ASK_MS).catch(() => []);
  return rows[0]?.lsn;
}

/** Ours, or what an earlier owner has left running there, hanging or stopped. One that is not seen is waited for. */
async function killAllIn(
  ensemble: Ensemble,
  name: DirectoryName,
  { clock, signal }: PromotionDeps,
): Promise<void> {
  const directory = realDirectory(join(ensemble.dataDirectory, name));
  const primary = ensemble.primary();
  if (primary?.site.dataDirectory === directory) await primary.kill();
  if (!existsSync(directory)) return;
  const found = findPostmaster(directory);
  const left = found.kind === 'live' ? adoptPostmaster(found.identity, { clock }) : undefined;
  await killPostmaster(left, directory, clock);
  const lock = createPostgresLock(directory, { clock });
  await lock.taken(signal).finally(lock.release);
}

/**
 * Finishes a promotion that has been decided.
 * @param primaryLsn how far the old primary was last seen to have come, if anybody has seen it
 */
export async function finish(
  ensemble: Ensemble,
  file: DatabaseFile,
  deps: PromotionDeps,
  primaryLsn?: string,
): Promise<void> {
  const { promotion, term, primary } = file;
  if (promotion?.state !== 'decided') return;
  const { from, standby } = promotion;
  deps.log.warn({ promotion, term }, 'a standby is promoted');
  await killAllIn(ensemble, from, deps);
  const server = ensemble.running(standby) ?? (await startReplay(ensemble, promotion, deps));
  fenceDirectory(join(ensemble.dataDirectory, from), { term, primary }, server.site.launch.account);
  await faults.promotion_fenced();
  await promote(server, deps);
  await faults.promotion_promoted();
  const lostBytes = promotion.isForced ? lostOf(ensemble, promotion, primaryLsn) : 0;
  await note(ensemble, deps, promotion, (now, found) => ({
    ...now,
    promotion: { ...found, state: 'done', lostBytes },
  }));
  deps.log.warn({ primary, term, lostBytes }, 'a standby has been promoted');
  ensemble.crown(server);
  await ensemble.stopStandbys();
}

/** @returns the last position of the old primary's log that the new primary has */
async function promote(
  server: PostgresServer,
  { clock, signal }: PromotionDeps,
): Promise<string | undefined> {
  for (;;) {
    signal.throwIfAborted();
    const address = server.address();
    if (address) {
      const query = 'select pg_is_in_recovery() as standby';
      const [row] = await ask<{ standby: boolean }>(address, query).catch(() => []);
      if (row?.standby === false) return;
      await ask(address, 'select pg_promote(true, $1)', [PROMOTE_S], PROMOTE_S * 1000).catch(() => []);
    }
    await sleep(clock, POLL_MS, signal);
  }
}

/**
 * What the old primary was seen to have on disk beyond what was replayed. Nothing, if its log could be read: Postgres
 * replays that up to the last whole record. Null if nobody can tell.
 */
function lostOf(
  { dataDirectory }: Ensemble,
  { from, standby }: Promotion,
  primaryLsn: string | undefined,
): number | null {
  const replayed = branchOf(join(dataDirectory, standby, 'pg_wal'));
  if (replayed === undefined) return null;
  const behind = primaryLsn === undefined ? 0n : parseLsn(primaryLsn) - parseLsn(replayed);
  if (behind > 0n) return Number(behind);
  return segmentsIn(join(dataDirectory, from, 'pg_wal')).includes(lastSegmentOf(replayed)) ? 0 : null;
}

/** Where the newest timeline left the one before: the last thing that was replayed (last line of its history file). */
function branchOf(directory: string): string | undefined {
  const newest = readdirSync(directory)
    .filter((file) => file.endsWith('.history'))
    .toSorted()
    .at(-1);
  if (newest === undefined) return undefined;
  const lines = readFileSync(join(directory, newest), 'utf8').trim().split('\n');
  return lines.at(-1)?.split('\t')[1];
}

const SEGMENT_BYTES = 16n << 20n;
const SEGMENTS_PER_HIGH_HALF = 256;

/** The number of the segment with the byte before a position, which is the last that was written or replayed. */
function lastSegmentOf(lsn: string): number {
  return Number((parseLsn(lsn) - 1n) / SEGMENT_BYTES);
}

/** The numbers of the segments that are there, whatever their timeline; none where there is no directory. */
function segmentsIn(directory: string): number[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).flatMap((file) => {
    const [, high, low] = /^[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})$/.exec(file) ?? [];
    if (high === undefined) return [];
    return Number.parseInt(high, 16) * SEGMENTS_PER_HIGH_HALF + Number.parseInt(low ?? '', 16);
  });
}
