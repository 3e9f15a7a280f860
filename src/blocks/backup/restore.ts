/**
 * Makes an installation out of a physical backup: everything is checked first, unpacked aside, brought to the wanted point
 * by Postgres itself, and put in place last.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syncTree } from '#blocks/database';
import { type Chain, type ChainPart, findChain, type Target } from './chain.ts';
import { createOpener, type Opener, verifyFiles } from './check.ts';
import { backupErrors } from './errors.ts';
import { codeOf, makeDirectory, toTargetError } from './file-system.ts';
import type { BackupKeys } from './key.ts';
import { assertMasterKey, MASTER_KEY_FILE } from './master-key-copy.ts';
import { type ReachedPoint, type RecoveryDeps, recover } from './recover.ts';
import { isGood, listBackups } from './repository.ts';
import { readStored, type StoredFile } from './stored-file.ts';
import { unpackTar } from './tar.ts';

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

/** Makes the directory, or finds it empty but for what an unfinished restore has left. @throws restore_target_unusable */
export function takeTarget(dataDirectory: string): void {
  try {
    makeDirectory(dataDirectory);
    const left = readdirSync(dataDirectory).filter((name) => name !== DRAFT);
    if (left.length > 0) {
      throw backupErrors.restore_target_unusable({
        detail: `${dataDirectory} is not empty: it holds ${left[0]}`,
      });
    }
    rmSync(join(dataDirectory, DRAFT), { recursive: true, force: true });
  } catch (error) {
    if (codeOf(error) === 'restore_target_unusable') throw error;
    throw backupErrors.restore_target_unusable({ detail: `${dataDirectory} cannot be made`, cause: error });
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
      if (name === 'base.tar') return unpackTar(plain, join(draft, 'postgres'));
      if (name.startsWith('wal/')) return writeAll(join(draft, name), plain);
      if (name === 'backup_label') return writeAll(join(draft, 'postgres', name), plain);
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
  dataDirectory: string,
  part: Opened,
  { masterKey, signal }: { masterKey: string | undefined; signal: AbortSignal },
): Promise<void> {
  const journals = findFile(part, 'journal.tar');
  if (journals) {
    mkdirSync(join(dataDirectory, 'journal'), { mode: 0o700 });
    await readStored(part.entry.directory, journals, { keys: part.keys, signal }, (plain) =>
      unpackTar(plain, join(dataDirectory, 'journal')),
    );
    await syncTree(join(dataDirectory, 'journal'));
  }
  const inside = findFile(part, MASTER_KEY_FILE);
  const key = masterKey ?? (inside && (await readWhole(part, inside, signal)).toString('utf8'));
  if (key === undefined) return;
  writeFileSync(join(dataDirectory, MASTER_KEY_FILE), `${key.trim()}\n`, {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  });
}

async function verifyParts(parts: readonly Opened[], journals: Opened, signal: AbortSignal): Promise<void> {
  for (const { entry, files } of parts) await verifyFiles(entry, files, signal);
  const beside = ['journal.tar', MASTER_KEY_FILE].flatMap((name) => findFile(journals, name) ?? []);
  await verifyFiles(journals.entry, beside, signal);
}

/**
 * Restores into an empty directory. Until all is done its contents are in a draft that no server would start on, and that
 * another restore removes.
 * @throws the errors of this block
 */
export async function restorePhysical(request: RestoreRequest, deps: RestoreDeps): Promise<Restored> {
  const { dataDirectory, target, masterKey } = request;
  const { signal, report } = deps;
  const entries = listBackups(request.directory);
  if (entries.length === 0) {
    throw backupErrors.backup_missing({ detail: `${request.directory} holds no backups` });
  }
  const chain = findChain(entries.filter(isGood), target);
  refuseOtherVersion(chain, request.postgresMajor);
  assertMasterKey(chain.journals.manifest, masterKey, deps.random);
  const opener = createOpener(request.secret);
  const parts = await openParts(chain, opener);
  const journals = { entry: chain.journals, files: [], keys: await opener.keysOf(chain.journals) };
  takeTarget(dataDirectory);
  report(`checking ${parts.length} backup${parts.length === 1 ? '' : 's'}`);
  await verifyParts(parts, journals, signal);
  const draft = join(dataDirectory, DRAFT);
  try {
    mkdirSync(join(draft, 'postgres'), { recursive: true, mode: 0o700 });
    mkdirSync(join(draft, 'wal'), { mode: 0o700 });
    report('unpacking');
    const unpack = createUnpack(draft, signal);
    for (const part of parts) for (const file of part.files) await unpack(part, file);
    report('Postgres replays the log');
    const reached = await recover(
      join(draft, 'postgres'),
      { logDirectory: join(draft, 'wal'), target },
      deps,
    );
    await restoreBeside(dataDirectory, journals, { masterKey, signal });
    renameSync(join(draft, 'postgres'), join(dataDirectory, 'postgres'));
    rmSync(draft, { recursive: true });
    await syncTree(dataDirectory);
    const names = parts.map(({ entry }) => entry.name);
    return { ...reached, names, statedAt: chain.statedAt, journalsAt: chain.journals.manifest.statedAt };
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw toTargetError(error, dataDirectory);
  }
}
