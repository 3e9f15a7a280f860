/**
 * Makes an installation out of a physical backup: everything is checked first, unpacked aside, brought to the wanted point
 * by Postgres itself, and put in place last.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLoadstoneError } from '#base/errors';
import type { Random } from '#base/random';
import { type DirectoryLock, lockDirectory, syncTree } from '#blocks/postgres';
import { backupErrors } from '../errors.ts';
import { type Chain, type ChainPart, findChain, type Target } from '../repository/chain.ts';
import { createOpener, type Opener, verifyFiles } from '../repository/check.ts';
import { codeOf, isWithin, makeDirectory, toTargetError } from '../repository/file-system.ts';
import type { BackupKeys } from '../repository/key.ts';
import { lsnToBytes } from '../repository/log-segment.ts';
import { assertMasterKey, MASTER_KEY_FILE } from '../repository/master-key-copy.ts';
import { type GoodEntry, isGood, listBackups } from '../repository/repository.ts';
import { readStored, type StoredFile } from '../repository/stored-file.ts';
import { unpackTar } from '../repository/tar.ts';
import { type ReachedPoint, type RecoveryDeps, recover } from './recover.ts';

export interface RestoreRequest {
  /** Of the backups. */
  directory: string;
  /** Where the installation is to be: missing, or empty. */
  dataDirectory: string;
  target: Target;
  secret: string | undefined;
  /** As given with the restore; wins over one in the backup. */
  masterKey: string | undefined;
  /** Of the embedded Postgres, such as 18: a copy can be read by no other. */
  postgresMajor: number;
}

export interface RestoreDeps extends RecoveryDeps {
  report: (line: string) => void;
}

export interface Restored extends ReachedPoint {
  /** The backups that it was made from, the base first. */
  names: string[];
  /** Whatever was acknowledged before is there; for an earlier point, whatever was acknowledged before that. */
  statedAt: string;
  /** Up to when records of journals are there that had not reached the database. */
  journalsAt: string;
}

const DRAFT = 'restore.draft';
const JOURNAL = 'journal';
const POSTGRES = 'postgres';
/** Of whoever is at it, or was when it was killed. */
const LOCKS = /^server\.lock/;

/** Keeps the place of the database, so that a server that is started on a draft refuses it, and does not make a new one. */
function reserve(dataDirectory: string): void {
  mkdirSync(join(dataDirectory, POSTGRES), { mode: 0o700 });
  writeFileSync(join(dataDirectory, POSTGRES, DRAFT), '', { mode: 0o600 });
}

function isReserved(dataDirectory: string): boolean {
  const place = join(dataDirectory, POSTGRES);
  return !existsSync(place) || readdirSync(place).every((name) => name === DRAFT);
}

/** What an unfinished restore has left; the database comes last, so with it there it is none. */
function leftBehind(dataDirectory: string, found: readonly string[]): string[] {
  if (!found.includes(DRAFT)) return [];
  return isReserved(dataDirectory) ? [DRAFT, POSTGRES, JOURNAL, MASTER_KEY_FILE] : [DRAFT];
}

/** The draft last: it is what tells that the others are not a user's own. */
function removeLeft(dataDirectory: string, names: readonly string[]): void {
  for (const name of names.toReversed()) rmSync(join(dataDirectory, name), { recursive: true, force: true });
}

/** @returns what an unfinished restore has left there */
function refuseUsed(dataDirectory: string): string[] {
  const found = readdirSync(dataDirectory).filter((name) => !LOCKS.test(name));
  const left = leftBehind(dataDirectory, found);
  const foreign = found.find((name) => !left.includes(name));
  if (foreign === undefined) return left;
  throw backupErrors.restore_target_unusable({
    detail: `${dataDirectory} is not empty: it holds ${foreign}`,
  });
}

/**
 * Makes the directory, or finds it empty but for what an unfinished restore has left, and keeps others out of it.
 * @param directory of the backups
 * @throws restore_target_unusable
 */
export function takeTarget(dataDirectory: string, directory: string): DirectoryLock {
  if (isWithin(dataDirectory, directory)) {
    throw backupErrors.restore_target_unusable({
      detail: `${dataDirectory} lies in the directory of the backups`,
    });
  }
  let lock: DirectoryLock | undefined;
  try {
    makeDirectory(dataDirectory);
    refuseUsed(dataDirectory);
    lock = lockDirectory(dataDirectory);
    removeLeft(dataDirectory, refuseUsed(dataDirectory));
    return lock;
  } catch (error) {
    lock?.release();
    if (codeOf(error) === 'restore_target_unusable') throw error;
    const why = isLoadstoneError(error) ? error.message : `${dataDirectory} cannot be made`;
    throw backupErrors.restore_target_unusable({ detail: why, cause: error });
  }
}

interface Opened extends ChainPart {
  keys: BackupKeys | undefined;
}

function refuseOtherVersion({ base }: Chain, postgresMajor: number): void {
  const { postgres, loadstone } = base.manifest;
  if (Number.parseInt(postgres.version, 10) === postgresMajor) return;
  throw backupErrors.backup_version_wrong({
    detail: `the backup is of Postgres ${postgres.version} (Loadstone ${loadstone}), and this program has ${postgresMajor}`,
  });
}

/** With a key given all has to be authenticated by it: whoever can write to the directory can put a plain backup there. */
export function refusePlain(entries: readonly GoodEntry[], secret: string | undefined): void {
  const plain = entries.find(({ manifest }) => manifest.encryption === null);
  if (secret === undefined || !plain) return;
  throw backupErrors.backup_key_wrong({
    detail: `${plain.name} is not encrypted, so the given key does not vouch for it; restore without the key if it is yours`,
  });
}

async function openParts({ parts }: Chain, opener: Opener): Promise<Opened[]> {
  const opened: Opened[] = [];
  for (const part of parts) opened.push({ ...part, keys: await opener.keysOf(part.entry) });
  return opened;
}

type Unpack = (part: Opened, file: StoredFile) => Promise<void>;

/** Where each file of a base or of the log goes, below the draft. */
function createUnpack(draft: string, signal: AbortSignal): Unpack {
  return ({ entry, keys }, file) =>
    readStored(entry.directory, file, { keys, signal }, async (plain) => {
      const name = file.path.replace(/\.zst(\.sealed)?$/, '');
      if (name === 'base.tar') return unpackTar(plain, join(draft, POSTGRES));
      if (name.startsWith('wal/')) return writeAll(join(draft, name), plain);
      if (name === 'backup_label') return writeAll(join(draft, POSTGRES, name), plain);
      for await (const _ of plain);
    });
}

async function writeAll(file: string, source: AsyncIterable<Buffer>): Promise<void> {
  writeFileSync(file, '', { mode: 0o600, flag: 'wx' });
  for await (const piece of source) writeFileSync(file, piece, { flag: 'a' });
}

async function readWhole(part: Opened, file: StoredFile, signal: AbortSignal): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await readStored(part.entry.directory, file, { keys: part.keys, signal }, async (plain) => {
    for await (const piece of plain) pieces.push(piece);
  });
  return Buffer.concat(pieces);
}

const findFile = (part: ChainPart, name: string): StoredFile | undefined =>
  part.entry.manifest.files.find(({ path }) => path.startsWith(`${name}.zst`));

/** Journals and, if it is inside, the master key: what is not Postgres's. */
export async function restoreBeside(
  directory: string,
  part: Opened,
  { masterKey, signal }: { masterKey: string | undefined; signal: AbortSignal },
): Promise<void> {
  const journals = findFile(part, 'journal.tar');
  if (journals) {
    mkdirSync(join(directory, JOURNAL), { mode: 0o700 });
    await readStored(part.entry.directory, journals, { keys: part.keys, signal }, (plain) =>
      unpackTar(plain, join(directory, JOURNAL)),
    );
    await syncTree(join(directory, JOURNAL));
  }
  const inside = findFile(part, MASTER_KEY_FILE);
  const key = masterKey ?? (inside && (await readWhole(part, inside, signal)).toString('utf8'));
  if (key === undefined) return;
  writeFileSync(join(directory, MASTER_KEY_FILE), `${key.trim()}\n`, {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  });
}

/** Told to go to the end, Postgres takes log that it cannot read for the end. @throws restore_failed */
function refuseShort({ lsn }: ReachedPoint, { parts }: Chain): void {
  const stated = parts.at(-1)?.entry.manifest.log?.markedLsn;
  if (stated === undefined || lsnToBytes(lsn) >= lsnToBytes(stated)) return;
  throw backupErrors.restore_failed({
    detail: `Postgres could read the log up to ${lsn} only, and it goes to ${stated}; restore to a time before with --at, or from another base`,
  });
}

async function verifyParts(parts: readonly Opened[], journals: Opened, signal: AbortSignal): Promise<void> {
  for (const { entry, files } of parts) await verifyFiles(entry, files, signal);
  const beside = ['journal.tar', MASTER_KEY_FILE].flatMap((name) => findFile(journals, name) ?? []);
  await verifyFiles(journals.entry, beside, signal);
}

interface Plan {
  chain: Chain;
  parts: Opened[];
  journals: Opened;
}

async function prepare(request: RestoreRequest, random: Random): Promise<Plan> {
  const { directory, target, masterKey, secret, postgresMajor } = request;
  const entries = listBackups(directory);
  if (entries.length === 0) {
    throw backupErrors.backup_missing({ detail: `${directory} holds no backups` });
  }
  const chain = findChain(entries.filter(isGood), target);
  refuseOtherVersion(chain, postgresMajor);
  assertMasterKey(chain.journals.manifest, masterKey, random);
  const opener = createOpener(secret);
  refusePlain(
    chain.parts.map(({ entry }) => entry),
    secret,
  );
  const parts = await openParts(chain, opener);
  const journals = { entry: chain.journals, files: [], keys: await opener.keysOf(chain.journals) };
  return { chain, parts, journals };
}

async function unpackAll(
  draft: string,
  { parts, journals }: Plan,
  request: RestoreRequest,
  { signal }: RestoreDeps,
) {
  const beside = join(draft, 'beside');
  for (const each of [join(draft, POSTGRES), join(draft, 'wal'), beside]) mkdirSync(each, { mode: 0o700 });
  const unpack = createUnpack(draft, signal);
  for (const part of parts) for (const file of part.files) await unpack(part, file);
  await restoreBeside(beside, journals, { masterKey: request.masterKey, signal });
  return beside;
}

/** The database last: a server that finds it finds all. */
async function putInPlace(draft: string, beside: string, dataDirectory: string): Promise<void> {
  for (const name of readdirSync(beside)) renameSync(join(beside, name), join(dataDirectory, name));
  rmSync(join(dataDirectory, POSTGRES), { recursive: true });
  renameSync(join(draft, POSTGRES), join(dataDirectory, POSTGRES));
  rmSync(draft, { recursive: true });
  await syncTree(dataDirectory);
}

/**
 * Restores into an empty directory. Until all is done its contents are in a draft, which no server starts on and another
 * restore removes.
 * @throws the errors of this block
 */
export async function restorePhysical(request: RestoreRequest, deps: RestoreDeps): Promise<Restored> {
  const { dataDirectory, target } = request;
  const { signal, report } = deps;
  const plan = await prepare(request, deps.random);
  const { chain, parts, journals } = plan;
  const lock = takeTarget(dataDirectory, request.directory);
  const draft = join(dataDirectory, DRAFT);
  try {
    mkdirSync(draft, { mode: 0o700 });
    reserve(dataDirectory);
    report(`checking ${parts.length} backup${parts.length === 1 ? '' : 's'}`);
    await verifyParts(parts, journals, signal);
    report('unpacking');
    const beside = await unpackAll(draft, plan, request, deps);
    report('Postgres replays the log');
    const logDirectory = join(draft, 'wal');
    const reached = await recover(join(draft, POSTGRES), { logDirectory, target }, deps);
    if (target.kind === 'latest') refuseShort(reached, chain);
    await putInPlace(draft, beside, dataDirectory);
    const names = parts.map(({ entry }) => entry.name);
    return { ...reached, names, statedAt: chain.statedAt, journalsAt: chain.journals.manifest.statedAt };
  } catch (error) {
    removeLeft(dataDirectory, leftBehind(dataDirectory, readdirSync(dataDirectory)));
    throw toTargetError(error, dataDirectory);
  } finally {
    lock.release();
  }
}
