/**
 * Which programs run, as whom, and where the data really is. Usually: those of the package, as us, where we were told.
 */
import { existsSync, lstatSync, mkdirSync, realpathSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { embeddedErrors, toDataError } from './errors.ts';
import { linkLibraries, locateInstallation } from './process/installation.ts';
import { firstThatRuns, hasName, type LaunchShape, namespaceUid, otherAccounts } from './process/launch.ts';
import { createOtherUserSite } from './process/other-user.ts';
import { PROGRAM_ENVIRONMENT } from './process/program-environment.ts';
import { makeSocketDirectory, socketDirectoryOf } from './process/socket-directory.ts';
import type { Site, SiteDeps, SiteOptions } from './site-shape.ts';

/** The real path of a directory that need not exist, below a parent that does. */
export function realDirectory(directory: string): string {
  const absolute = resolve(directory);
  return existsSync(absolute)
    ? realpathSync(absolute)
    : join(realpathSync(dirname(absolute)), basename(absolute));
}

/** Makes the parent of Postgres's directory, and gives its real path. */
export function makeParent(directory: string): string {
  const parent = dirname(resolve(directory));
  try {
    mkdirSync(parent, { recursive: true, mode: 0o700 });
    return realpathSync(parent);
  } catch (error) {
    throw toDataError(error, parent);
  }
}

function ownerOf(directory: string): number | undefined {
  return existsSync(directory) ? statSync(directory).uid : undefined;
}

/**
 * @throws postgres_missing, data_foreign, data_unwritable, data_disk_full
 */
export async function chooseSite(directory: string, options: SiteOptions, deps: SiteDeps): Promise<Site> {
  const installation = locateInstallation();
  const dataDirectory = realDirectory(directory);
  const uid = process.getuid?.() ?? -1;
  const owner = ownerOf(dataDirectory);
  const makePrivate = () => {
    const made = socketDirectoryOf(dataDirectory, uid);
    makeSocketDirectory(made, { uid, gid: process.getgid?.() ?? -1 });
    deps.onPrivateDirectory(made);
    return made;
  };
  const libraryPath = linkLibraries(installation, makePrivate);
  const environment = { ...PROGRAM_ENVIRONMENT, ...libraryPath };
  const isComplete = Object.keys(libraryPath).length === 0;
  const ties = options.tie === 'never' ? [false] : [true, false];

  if (uid === 0 && (options.rootStrategy === 'other-user' || needsOtherUser(directory, owner))) {
    return createOtherUserSite(directory, installation, { ...options, ties, owner, isComplete }, deps);
  }
  if (owner !== undefined && owner !== uid) {
    throw embeddedErrors.data_foreign({
      detail: `${dataDirectory} belongs to uid ${owner}, but the server runs as uid ${uid}; start it as that user`,
    });
  }
  const found = await firstThatRuns(shapes(uid, ties), installation, environment, deps.signal);
  const relink = isComplete ? {} : { relink: () => void linkLibraries(installation, makePrivate) };
  if (found.launch) return { installation, launch: found.launch, environment, dataDirectory, ...relink };
  if (uid === 0 && options.rootStrategy === 'auto') {
    return createOtherUserSite(directory, installation, { ...options, ties, owner, isComplete }, deps);
  }
  throw found.failure;
}

/**
 * The place of another Postgres beside one that runs: programs and user are the same, and its data lies beside the other
 * one's. Where that is elsewhere (other-user.ts), a symbolic link stands where it would be looked for.
 */
export function siteBeside(site: Site, directory: string): Site {
  const asked = resolve(directory);
  const dataDirectory = join(dirname(site.dataDirectory), basename(asked));
  const link = lstatSync(asked, { throwIfNoEntry: false });
  if (asked !== dataDirectory && realDirectory(dirname(asked)) !== dirname(dataDirectory) && !link) {
    try {
      symlinkSync(dataDirectory, asked);
    } catch (error) {
      throw toDataError(error, asked);
    }
  }
  return { ...site, dataDirectory };
}

/** Data that already belongs to somebody else, or was placed elsewhere by an earlier start, stays theirs. */
function needsOtherUser(directory: string, owner: number | undefined): boolean {
  if (owner !== undefined) return owner !== 0;
  return lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function shapes(uid: number, ties: readonly boolean[]): LaunchShape[] {
  if (uid !== 0 && hasName()) return ties.map((tied) => ({ tied }));
  const inside = namespaceUid(otherAccounts());
  return inside === undefined ? [] : ties.map((tied) => ({ tied, namespaceUid: inside }));
}
