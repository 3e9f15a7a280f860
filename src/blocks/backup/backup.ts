/**
 * Takes a backup of an installation that may be serving.
 */
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock';
import type { Random } from '#base/random';
import { type Session, withSession } from '#blocks/database';
import { findSuperfluous, nextSegment } from './chain.ts';
import { backupErrors } from './errors.ts';
import { toTargetError } from './file-system.ts';
import { type BackupKeys, createKeyring, type Encryption, newEncryption } from './key.ts';
import { takeRows } from './logical.ts';
import { type BackupKind, FORMAT, type Manifest } from './manifest.ts';
import { MASTER_KEY_FILE } from './master-key-copy.ts';
import { isLogKept, letGo, type PhysicalDeps, type Sink, takeBase, takeLog } from './physical.ts';
import { lookAtCluster, readMigrationState, slotNameFor } from './postgres-session.ts';
import { type Draft, dropDraft, isGood, listBackups, openRepository, type Repository } from './repository.ts';
import type { BackupSource } from './source.ts';
import { type StoredFile, storeFile } from './stored-file.ts';
import { packTar } from './tar.ts';
import { walkTree } from './tree.ts';

export interface BackupRequest {
  directory: string;
  /** `base`: all of it. `wal`: the write-ahead log since the last copy. */
  what: 'base' | 'wal';
  /** Encrypts; undefined leaves it plain. */
  secret: string | undefined;
  /** Removes whole backups beyond the newest so many, when this one is done. */
  keep?: number | undefined;
}

export interface BackupDeps {
  clock: Clock;
  random: Random;
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

/** @throws backup_base_needed */
function joinFrom(directory: string, cluster: PhysicalDeps['cluster']): number {
  const next = nextSegment(listBackups(directory).filter(isGood), cluster);
  if (next !== undefined) return next;
  throw backupErrors.backup_base_needed({
    detail: `${directory} has no base backup of this database and timeline ${cluster.timeline}: take one first, without --wal`,
  });
}

async function copyPhysical(writing: Writing, session: Session, sink: Sink): Promise<Content> {
  const { request, deps } = writing;
  const directory = realpathSync(request.directory);
  const cluster = await lookAtCluster(session);
  const physical: PhysicalDeps = {
    session,
    cluster,
    sink,
    signal: deps.signal,
    copyJournals: () => copyJournals(writing, sink),
  };
  const common = {
    postgres: { version: cluster.version },
    migrations: await readMigrationState(session),
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
  const isKept = next !== undefined && (await isLogKept(session, slot, { ...cluster, segment: next }));
  const { stopLsn, ...held } = await takeBase(physical, isKept ? next : undefined);
  return { ...common, ...held, copiedTo: stopLsn };
}

async function copyLogical(writing: Writing, session: Session, sink: Sink): Promise<Content> {
  const { deps } = writing;
  deps.report('copying the rows of all tables, as of one moment');
  const statedAt = new Date(deps.clock.nowMs()).toISOString();
  const rows = await takeRows(session, sink, {
    signal: deps.signal,
    copyJournals: () => copyJournals(writing, sink),
  });
  return { statedAt, log: null, base: null, copiedTo: undefined, ...rows };
}

async function write(writing: Writing): Promise<Manifest> {
  const { source, request, deps, draft, keys, encryption, files } = writing;
  const sink = createSink(writing);
  const began = new Date(deps.clock.nowMs()).toISOString();
  return withSession(source.url, deps.signal, async (session) => {
    const copy = source.engine === 'embedded' ? copyPhysical : copyLogical;
    const { copiedTo, ...content } = await copy(writing, session, sink);
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
    if (copiedTo !== undefined) await letGo(session, slotNameFor(realpathSync(request.directory)), copiedTo);
    return manifest;
  });
}

async function prepareKeys(
  { directory, secret }: BackupRequest,
  { random }: BackupDeps,
): Promise<{ keys: BackupKeys | undefined; encryption: Encryption | null }> {
  if (secret === undefined) return { keys: undefined, encryption: null };
  const known = listBackups(directory)
    .filter(isGood)
    .findLast(({ manifest }) => manifest.encryption);
  const encryption = newEncryption(random, known?.manifest.encryption?.kdf.salt);
  return { keys: await createKeyring(secret).keysFor(encryption), encryption };
}

function prune(repository: Repository, keep: number | undefined): string[] {
  if (keep === undefined) return [];
  const names = findSuperfluous(listBackups(repository.directory).filter(isGood), keep);
  repository.remove(names);
  return names;
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
  const repository = openRepository(request.directory, deps);
  try {
    const prepared = await prepareKeys(request, deps);
    const draft = repository.newDraft(kindOf(source, request));
    const writing: Writing = { source, request, deps, draft, files: [], ...prepared };
    const manifest = await write(writing).catch((error: unknown) => {
      dropDraft(draft);
      throw error;
    });
    const removed = prune(repository, request.keep);
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
