/**
 * Takes a backup of an installation that may be serving.
 */
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Runtime } from '#base/runtime';
import { type LoginConnection, withLoginConnection } from '#blocks/database';
import { backupErrors } from './errors.ts';
import { takeRows } from './logical.ts';
import {
  isLogKept,
  keepLogAnew,
  letGo,
  type PhysicalDeps,
  type Sink,
  takeBase,
  takeLog,
} from './physical.ts';
import { lookAtCluster, readMigrationState, slotNameFor } from './postgres-connection.ts';
import { findSuperfluous, nextSegment } from './repository/chain.ts';
import { createOpener, isOpenedBy } from './repository/check.ts';
import { isWithin, toTargetError } from './repository/file-system.ts';
import { type BackupKeys, createKeyring, type Encryption, newEncryption } from './repository/key.ts';
import { type BackupKind, FORMAT, type Manifest } from './repository/manifest.ts';
import { MASTER_KEY_FILE } from './repository/master-key-copy.ts';
import {
  type Draft,
  dropDraft,
  type GoodEntry,
  isGood,
  listBackups,
  openRepository,
  type Repository,
} from './repository/repository.ts';
import { type StoredFile, storeFile } from './repository/stored-file.ts';
import { packTar } from './repository/tar.ts';
import { walkTree } from './repository/tree.ts';
import type { BackupSource } from './source.ts';

export interface BackupRequest {
  directory: string;
  /** `base`: all of it. `wal`: the write-ahead log since the last copy. */
  what: 'base' | 'wal';
  /** Encrypts; undefined leaves it plain. */
  secret: string | undefined;
  /** With a base: has Postgres keep the log that comes after it, as a copy of the log does. */
  keepsLog?: boolean;
  /** Removes whole backups beyond the newest so many, when this one is done. */
  keep?: number | undefined;
}

export interface BackupDeps extends Pick<Runtime, 'clock' | 'random'> {
  signal: AbortSignal;
  /** Of the program. */
  version: string;
  /** Told in a person's words what is being done. */
  report: (line: string) => void;
}

export interface TakenBackup {
  manifest: Manifest;
  directory: string;
  /** As they lie on the disk. */
  storedBytes: number;
  tookMs: number;
  removed: string[];
}

type Content = Pick<Manifest, 'statedAt' | 'postgres' | 'log' | 'base' | 'migrations' | 'tables'> & {
  /** Up to where the log need not be kept any more. */
  copiedTo: string | undefined;
};

interface Writing {
  source: BackupSource;
  request: BackupRequest;
  deps: BackupDeps;
  draft: Draft;
  keys: BackupKeys | undefined;
  encryption: Encryption | null;
  files: StoredFile[];
}

const kindOf = ({ engine }: BackupSource, { what }: BackupRequest): BackupKind =>
  what === 'wal' ? 'wal' : engine === 'embedded' ? 'physical' : 'logical';

function createSink({ draft, keys, files, deps: { signal } }: Writing): Sink {
  const store: Sink['store'] = async (name, content) => {
    const stored = await storeFile(draft.directory, name, content, { keys, signal });
    files.push(stored);
    return stored;
  };
  return { store, storeTree: (name, entries) => store(name, packTar(entries)) };
}

/** Records that have not been shipped yet; whose a journal is, is known anew after a restore. */
async function copyJournals({ source, deps: { signal } }: Writing, sink: Sink): Promise<void> {
  const journals = walkTree(
    join(source.dataDirectory, 'journal'),
    (path) => (/(^|\/)server\.lock/.test(path) ? 'skip' : 'take'),
    signal,
  );
  await sink.storeTree('journal.tar', journals);
}

/** One that was restored from another is of the same kin: it may go on in the directory. @throws backup_target_unusable */
function refuseStrangers(directory: string, { systemIdentifier }: PhysicalDeps['cluster']): void {
  const stranger = listBackups(directory)
    .filter(isGood)
    .find(({ manifest: { log } }) => log !== null && log.systemIdentifier !== systemIdentifier);
  if (stranger === undefined) return;
  throw backupErrors.backup_target_unusable({
    detail: `${directory} holds ${stranger.name}, of another installation; name a directory of its own`,
  });
}

/** @throws backup_base_needed */
function joinFrom(directory: string, cluster: PhysicalDeps['cluster']): number {
  const next = nextSegment(listBackups(directory).filter(isGood), cluster);
  if (next !== undefined) return next;
  throw backupErrors.backup_base_needed({
    detail: `${directory} has no base backup of this database and timeline ${cluster.timeline}: take one first, without --wal`,
  });
}

async function copyPhysical(writing: Writing, connection: LoginConnection, sink: Sink): Promise<Content> {
  const { request, deps } = writing;
  const directory = realpathSync(request.directory);
  const cluster = await lookAtCluster(connection);
  refuseStrangers(directory, cluster);
  const physical: PhysicalDeps = {
    connection,
    cluster,
    sink,
    random: deps.random,
    signal: deps.signal,
    copyJournals: () => copyJournals(writing, sink),
  };
  const common = {
    postgres: { version: cluster.version },
    migrations: await readMigrationState(connection),
    tables: null,
  };
  const slot = slotNameFor(directory);
  if (request.what === 'wal') {
    const first = joinFrom(directory, cluster);
    const { stopLsn, ...held } = await takeLog(physical, slot, first);
    return { ...common, ...held, base: null, copiedTo: stopLsn };
  }
  deps.report('copying the database');
  const next = nextSegment(listBackups(directory).filter(isGood), cluster);
  const isKept = next !== undefined && (await isLogKept(connection, slot, { ...cluster, segment: next }));
  if (request.keepsLog) await keepLogAnew(connection, slot);
  const { stopLsn, ...held } = await takeBase(physical, isKept ? next : undefined);
  return { ...common, ...held, copiedTo: stopLsn };
}

async function copyLogical(writing: Writing, connection: LoginConnection, sink: Sink): Promise<Content> {
  const { deps } = writing;
  deps.report('copying the rows of all tables, as of one moment');
  const statedAt = new Date(deps.clock.nowMs()).toISOString();
  const rows = await takeRows(connection, sink, {
    signal: deps.signal,
    copyJournals: () => copyJournals(writing, sink),
  });
  return { statedAt, log: null, base: null, copiedTo: undefined, ...rows };
}

async function write(writing: Writing): Promise<Manifest> {
  const { source, request, deps, draft, keys, encryption, files } = writing;
  const sink = createSink(writing);
  const began = new Date(deps.clock.nowMs()).toISOString();
  return withLoginConnection(source.url, deps.signal, async (connection) => {
    const copy = source.engine === 'embedded' ? copyPhysical : copyLogical;
    const { copiedTo, ...content } = await copy(writing, connection, sink);
    const key = source.masterKey;
    const text = keys ? key?.text : undefined;
    if (text !== undefined) await sink.store(MASTER_KEY_FILE, [Buffer.from(text)]);
    const manifest: Manifest = {
      format: FORMAT,
      kind: kindOf(source, request),
      name: draft.name,
      loadstone: deps.version,
      beganAt: began,
      endedAt: new Date(deps.clock.nowMs()).toISOString(),
      ...content,
      masterKey: { kept: text === undefined ? 'apart' : 'inside', fingerprint: key?.fingerprint ?? null },
      encryption,
      files,
    };
    draft.publish(manifest, keys);
    if (copiedTo !== undefined)
      await letGo(connection, slotNameFor(realpathSync(request.directory)), copiedTo);
    return manifest;
  });
}

/** A base and the log behind it are restored with one key. @throws backup_base_needed, backup_key_missing */
async function refuseOtherKey(entries: readonly GoodEntry[], secret: string | undefined): Promise<void> {
  const base = entries.findLast(({ manifest }) => manifest.kind === 'physical');
  if (!base || (secret !== undefined && (await isOpenedBy(base, secret)))) return;
  if (secret === undefined) {
    await createOpener(secret).keysOf(base);
    return;
  }
  throw backupErrors.backup_base_needed({
    detail: `${base.name} was not encrypted with the given key, and the log behind it has to be: take a new base backup`,
  });
}

async function prepareKeys(
  { directory, what, secret }: BackupRequest,
  { random, report }: BackupDeps,
): Promise<{ keys: BackupKeys | undefined; encryption: Encryption | null }> {
  const entries = listBackups(directory).filter(isGood);
  if (what === 'wal') await refuseOtherKey(entries, secret);
  if (secret === undefined) return { keys: undefined, encryption: null };
  const known = entries.findLast(({ manifest }) => manifest.encryption);
  const isOurs = known !== undefined && (await isOpenedBy(known, secret));
  if (known !== undefined && !isOurs) report(`the key is another one than that of ${known.name}`);
  const encryption = newEncryption(random, isOurs ? known.manifest.encryption?.kdf.salt : undefined);
  return { keys: await createKeyring(secret).keysFor(encryption), encryption };
}

/** Those of the installation that has taken `newest`: what another one has put beside them is not counted, nor removed. */
function ofOne(newest: Manifest): (entry: GoodEntry) => boolean {
  const { log } = newest;
  return ({ manifest }) => manifest.log?.incarnation === log?.incarnation;
}

function prune(repository: Repository, keep: number | undefined, newest: Manifest): string[] {
  if (keep === undefined) return [];
  const entries = listBackups(repository.directory).filter(isGood);
  const names = findSuperfluous(entries.filter(ofOne(newest)), keep);
  repository.remove(names);
  return names;
}

/** @throws backup_target_unusable */
function refuseWithin(dataDirectory: string, directory: string): void {
  if (!isWithin(directory, dataDirectory)) return;
  throw backupErrors.backup_target_unusable({
    detail: `${directory} lies in the data directory, and would be lost with it`,
  });
}

/**
 * Takes a backup into a directory of backups. It counts once its manifest is on the disk; whatever fails before leaves
 * nothing that could be taken for a backup.
 * @throws the errors of this block; database_unavailable; the signal's reason
 */
export async function takeBackup(
  source: BackupSource,
  request: BackupRequest,
  deps: BackupDeps,
): Promise<TakenBackup> {
  if (request.what === 'wal' && source.engine === 'external') {
    throw backupErrors.backup_unsupported({
      detail:
        'of a Postgres of your own only logical backups are taken; archive its write-ahead log with its own tools',
    });
  }
  const startMs = deps.clock.monotonicMs();
  refuseWithin(source.dataDirectory, request.directory);
  const repository = openRepository(request.directory, deps);
  try {
    const prepared = await prepareKeys(request, deps);
    const draft = repository.newDraft(kindOf(source, request));
    const writing: Writing = { source, request, deps, draft, files: [], ...prepared };
    const manifest = await write(writing).catch((error: unknown) => {
      dropDraft(draft);
      throw error;
    });
    const removed = prune(repository, request.keep, manifest);
    return {
      manifest,
      directory: join(repository.directory, manifest.name),
      storedBytes: manifest.files.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
      tookMs: deps.clock.monotonicMs() - startMs,
      removed,
    };
  } catch (error) {
    throw toTargetError(error, request.directory);
  } finally {
    repository.release();
  }
}
