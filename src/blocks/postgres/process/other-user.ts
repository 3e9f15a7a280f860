/**
 * Root without user namespaces: Postgres must run as another user, who can usually not enter where we are. Programs and
 * data that this user cannot reach go to a directory of their own, and a symbolic link stands where the data was asked for.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { embeddedErrors, toDataError } from '../errors.ts';
import type { Site, SiteDeps } from '../site-shape.ts';
import { type Installation, linkLibraries, programOf } from './installation.ts';
import { type Account, firstThatRuns, type NamedAccount, otherAccounts } from './launch.ts';
import { PROGRAM_ENVIRONMENT } from './program-environment.ts';

export interface OtherUserOptions {
  otherUserDirectory: string;
  ties: readonly boolean[];
  /** Whether the installation has its library links, so that another user could run it where it is. */
  isComplete: boolean;
  /** Whom existing data belongs to. */
  owner: number | undefined;
}

/** @throws data_foreign, data_unwritable, data_disk_full, postgres_missing */
export async function createOtherUserSite(
  directory: string,
  installation: Installation,
  options: OtherUserOptions,
  deps: SiteDeps,
): Promise<Site> {
  const account = chooseAccount(directory, options.owner);
  refusePowerless(account);
  const reachable = reachableInstallation(installation, account, options, deps.randomName);
  const dataDirectory = placeData(directory, account, options.otherUserDirectory, deps.randomName);
  const environment = { ...PROGRAM_ENVIRONMENT };
  const shapes = options.ties.map((tied) => ({ tied, as: { uid: account.uid, gid: account.gid } }));
  const found = await firstThatRuns(shapes, reachable, environment, deps.signal);
  if (!found.launch) throw found.failure;
  deps.report(
    `Postgres cannot run as root and runs as ${account.name} (uid ${account.uid}); its data is in ${dataDirectory}`,
  );
  return { installation: reachable, launch: found.launch, environment, dataDirectory };
}

function chooseAccount(directory: string, owner: number | undefined): NamedAccount {
  const accounts = otherAccounts();
  if (owner === 0) {
    throw embeddedErrors.data_foreign({
      detail: `${directory} belongs to root, as which Postgres ran in a user namespace; those are not allowed here now: allow them, or give the directory to another user (chown -R) who can enter it`,
    });
  }
  const account = accounts.find(({ uid, name }) => (owner === undefined ? name === 'nobody' : uid === owner));
  const chosen = account ?? (owner === undefined ? accounts.at(-1) : undefined);
  if (chosen) return chosen;
  throw embeddedErrors.data_foreign({
    detail: `Postgres cannot run as root, and ${owner === undefined ? 'this machine has no other user' : `${directory} belongs to uid ${owner}, which has no name here`}`,
  });
}

/** Root in name only, as in a container without capabilities: before anything is copied. */
function refusePowerless({ uid, gid, name }: NamedAccount): void {
  const { error } = spawnSync('/bin/sh', ['-c', ':'], { uid, gid, env: PROGRAM_ENVIRONMENT, cwd: '/' });
  if ((error as NodeJS.ErrnoException | undefined)?.code !== 'EPERM') return;
  throw embeddedErrors.postgres_missing({
    detail: `Postgres does not run as root, and this root may neither make user namespaces nor run it as ${name} (it lacks the capabilities SETUID and SETGID); run the server as an ordinary user (a container: --user 1000:1000, with a data directory of that user's), or set database.primary to a Postgres of your own`,
  });
}

/** Asks the kernel rather than counting mode bits, which say nothing of parents and access lists. */
function mayEnter(path: string, { uid, gid }: Account): boolean {
  const run = spawnSync('/bin/sh', ['-c', 'test -x "$0"', path], {
    uid,
    gid,
    env: PROGRAM_ENVIRONMENT,
    cwd: '/',
  });
  return run.status === 0;
}

function reachableInstallation(
  installation: Installation,
  account: Account,
  { otherUserDirectory, isComplete }: OtherUserOptions,
  randomName: () => string,
): Installation {
  if (isComplete && mayEnter(programOf(installation, 'postgres'), account)) return installation;
  const place = join(otherUserDirectory, `postgres-${installation.version}`);
  try {
    makeRootDirectory(otherUserDirectory);
    if (!existsSync(place)) copyPrograms(installation, place, `${place}.${randomName()}`);
  } catch (error) {
    throw toDataError(error, otherUserDirectory);
  }
  return { ...installation, native: join(place, 'native') };
}

/** Whole or not at all, also when two servers do it at once. */
function copyPrograms(installation: Installation, place: string, draft: string): void {
  const native = join(draft, 'native');
  // Static libraries are for compilers only.
  const filter = (source: string) => !source.endsWith('.a');
  cpSync(installation.native, native, { recursive: true, verbatimSymlinks: true, filter });
  linkLibraries({ ...installation, native }, () => draft);
  try {
    renameSync(draft, place);
  } catch (error) {
    rmSync(draft, { recursive: true });
    if (!existsSync(place)) throw error;
  }
}

/** Others may pass through it, but only root may change it: it holds programs. */
function makeRootDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const { uid, mode } = statSync(directory);
  if (uid !== 0 || (mode & 0o022) !== 0) {
    throw embeddedErrors.data_unwritable({
      detail: `${directory} must belong to root and be writable by nobody else`,
    });
  }
}

/**
 * Where the data is or goes. The link is made before the data, with a name drawn at random: so a start that was killed
 * finds its place again, and a data directory that was deleted does not come back from the other place.
 */
function placeData(
  directory: string,
  account: Account,
  otherUserDirectory: string,
  randomName: () => string,
): string {
  const asked = resolve(directory);
  const link = lstatSync(asked, { throwIfNoEntry: false });
  if (link?.isSymbolicLink()) return resolve(dirname(asked), readlinkSync(asked));
  if (link || mayEnter(dirname(asked), account)) return asked;
  const place = join(otherUserDirectory, `data-${randomName()}`, 'postgres');
  try {
    makeRootDirectory(otherUserDirectory);
    makeRootDirectory(dirname(place));
    symlinkSync(place, asked);
    return place;
  } catch (error) {
    throw toDataError(error, place);
  }
}
