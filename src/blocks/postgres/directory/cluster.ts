/**
 * The data directory: made on first start, checked on later ones.
 */
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import type { Random } from '#base/random';
import type { Runtime } from '#base/runtime';
import { embeddedErrors, toDataError, toProgramError } from '../errors.ts';
import { programOf } from '../process/installation.ts';
import type { Account } from '../process/launch.ts';
import { sweepOrphans } from '../process/postmaster.ts';
import { type ProgramEnd, runProgram } from '../process/run-program.ts';
import { DATABASE_NAME, SUPERUSER_NAME, sharedMemorySettings } from '../settings.ts';
import type { Site } from '../site-shape.ts';
import { syncDirectory } from './sync-directory.ts';

/**
 * Makes the cluster if there is none. It is made in a sibling directory, database included, and renamed when complete:
 * a kill at any moment leaves either nothing (and a leftover that the next start removes) or all of it.
 * @throws postgres_version_wrong, data_foreign, data_unwritable, data_disk_full, postgres_start_failed
 */
export async function prepareCluster(
  site: Site,
  deps: Pick<Runtime, 'clock' | 'random'> & { signal: AbortSignal; report: (line: string) => void },
): Promise<void> {
  if (isCluster(site)) return;
  const { dataDirectory } = site;
  deps.report(`creating a database in ${dataDirectory}`);
  await removeDrafts(dataDirectory, deps.clock);
  const draft = makeDraftName(dataDirectory, deps.random);
  try {
    makeOwnedDirectory(draft, site.launch.account);
    await runInitdb(site, draft, deps.signal);
    await createDatabase(site, draft, deps.signal);
    renameSync(draft, dataDirectory);
    syncDirectory(dirname(dataDirectory));
  } catch (error) {
    await removeDrafts(dataDirectory, deps.clock);
    throw isLoadstoneError(error) ? error : toDataError(error, dataDirectory);
  }
}

const DRAFT = '.draft-';

/** Where a directory is made before it takes its place. */
export function makeDraftName(dataDirectory: string, random: Random): string {
  return `${dataDirectory}${DRAFT}${random.bytes(6).toString('hex')}`;
}

/**
 * Removes what killed starts left behind. A program of theirs may be writing for a moment still: hence a new name for
 * each draft, and what cannot be removed now is left to the next start.
 */
export async function removeDrafts(dataDirectory: string, clock: Clock): Promise<void> {
  const parent = dirname(dataDirectory);
  const names = readdirSync(parent).filter((name) => name.startsWith(`${basename(dataDirectory)}${DRAFT}`));
  for (const name of names) {
    const draft = join(parent, name);
    await sweepOrphans(draft, clock);
    try {
      rmSync(draft, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    } catch {
      // Only in the way of tidiness: nothing looks into it.
    }
  }
}

/** False if there is nothing yet. */
export function isCluster({ dataDirectory, installation }: Site): boolean {
  if (!existsSync(dataDirectory)) return false;
  let version: string;
  try {
    version = readFileSync(join(dataDirectory, 'PG_VERSION'), 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw toDataError(error, dataDirectory);
    if (readdirSync(dataDirectory).length === 0) return false;
    throw embeddedErrors.data_foreign({
      detail: `${dataDirectory} is not empty and not a Postgres data directory`,
    });
  }
  if (version === String(installation.major)) return true;
  throw embeddedErrors.postgres_version_wrong({
    detail: `${dataDirectory} was written by Postgres ${version}, and this server has Postgres ${installation.major}; an upgrade goes through a logical copy: dump with the old version, load into a new data directory`,
  });
}

/**
 * Order and case by Unicode code points, built into Postgres and so the same on every machine. The character classes of
 * full-text search come from the C library even so (LC_CTYPE): under `C` it takes every letter, dash and quotation mark
 * beyond ASCII for one word. Trust in place of passwords: only the socket's owner can reach the socket at all.
 * Without cleaning: an initdb that is told to end would go on deleting while the next start already cleans up itself.
 */
const INITDB_ARGUMENTS = [
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--locale=C',
  '--encoding=UTF8',
  '--auth=trust',
  `--username=${SUPERUSER_NAME}`,
  '--data-checksums',
  '--no-clean',
];

async function runInitdb(site: Site, draft: string, signal: AbortSignal): Promise<void> {
  const run = (...more: string[]): Promise<ProgramEnd> => {
    const command = site.launch.command(programOf(site.installation, 'initdb'), [
      ...INITDB_ARGUMENTS,
      ...settingArguments(),
      ...more,
      draft,
    ]);
    return runProgram(command, { environment: site.environment, signal });
  };
  let end = await run('--lc-ctype=C.UTF-8');
  if (!end.ok && /invalid locale name/.test(end.said.join(' '))) end = await run();
  if (!end.ok) throw toProgramError('initdb', end.ending, site.dataDirectory, end.said);
}

function settingArguments(): string[] {
  return Object.entries(sharedMemorySettings()).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Without a server: 95 ms by file copy (216 ms through the log), and no state in between to find on the next start. */
async function createDatabase(site: Site, draft: string, signal: AbortSignal): Promise<void> {
  const single = [
    '--single',
    '-D',
    draft,
    '-c',
    'exit_on_error=on',
    '-c',
    'log_checkpoints=off',
    ...settingArguments(),
    'template1',
  ];
  const end = await runProgram(site.launch.command(programOf(site.installation, 'postgres'), single), {
    environment: site.environment,
    input: `create database ${DATABASE_NAME} strategy file_copy;\n`,
    signal,
  });
  if (!end.ok) throw toProgramError('creating the database', end.ending, site.dataDirectory, end.said);
}

/** Makes an empty directory that only `account` may enter. */
function makeOwnedDirectory(directory: string, { uid, gid }: Account): void {
  mkdirSync(directory, { mode: 0o700 });
  if (process.getuid?.() !== uid) chownSync(directory, uid, gid);
}
