/**
 * `loadstone restore`: makes an installation out of backups, in an empty place.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { systemClock } from '#base/clock';
import { createLog } from '#base/log';
import { createLogDestination } from '#base/log/destination';
import { systemRandom } from '#base/random';
import { parseTime } from '#base/values/time';
import {
  isLsn,
  type LogicallyRestored,
  listBackups,
  type RestoreDeps,
  type Restored,
  readBackupSecret,
  restoreLogical,
  restorePhysical,
  type Target,
} from '#blocks/backup';
import { locateInstallation } from '#blocks/postgres';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { type Answer, usageError } from '../command.ts';
import { type Configuration, readConfiguration } from '../config.ts';
import { createInstallation } from '../installation.ts';
import { untilInterrupted } from './on-files.ts';
import { formatCount, shellQuote } from '../text/text.ts';

const STOP_MS_MAX = 20_000;

interface RestoreFlags {
  data: string;
  at?: Date;
  lsn?: string;
  keyFile?: string;
  masterKeyFile?: string;
  database?: string;
  systems?: string;
  config?: string;
  json?: boolean;
}

function parseAt(text: string): Date {
  const ms = parseTime(text);
  if (ms !== undefined) return new Date(ms);
  throw new InvalidArgumentError('Allowed is a time with its zone, such as 2026-01-31T12:00:00Z.');
}

function parseLsn(text: string): string {
  if (isLsn(text)) return text;
  throw new InvalidArgumentError('Allowed is a position of the write-ahead log, such as 0/16B3740.');
}

function targetOf({ at, lsn }: RestoreFlags): Target {
  if (at !== undefined && lsn !== undefined) throw usageError('--at and --lsn exclude each other');
  if (at !== undefined) return { kind: 'time', at };
  return lsn === undefined ? { kind: 'latest' } : { kind: 'lsn', lsn };
}

/** Undefined leaves it to the backup. */
function masterKeyOf({ masterKeyFile }: RestoreFlags): string | undefined {
  if (masterKeyFile === undefined) return process.env.LOADSTONE_MASTER_KEY;
  try {
    return readFileSync(masterKeyFile, 'utf8');
  } catch (error) {
    throw usageError(`--master-key-file ${masterKeyFile} cannot be read: ${(error as Error).message}`);
  }
}

const given = (flags: RestoreFlags) => ({
  dataDirectory: resolve(flags.data),
  secret: readBackupSecret(flags.keyFile, process.env.LOADSTONE_BACKUP_KEY),
  masterKey: masterKeyOf(flags),
});

function depsFor(signal: AbortSignal): RestoreDeps {
  const destination = createLogDestination(2, systemClock);
  process.once('exit', destination.flushSync);
  return {
    clock: systemClock,
    random: systemRandom,
    // What Postgres says of its recovery is told by the error, if it fails.
    log: createLog({ level: 'fatal', service: 'loadstone' }, destination),
    signal,
    report: (line) => process.stderr.write(`loadstone: ${line}\n`),
  };
}

function describePhysical(restored: Restored, flags: RestoreFlags): string {
  const { names, lsn, lastCommitAt, statedAt, timeline, journalsAt } = restored;
  const last =
    lastCommitAt === undefined ? '' : `; the last commit in it is of ${lastCommitAt.toISOString()}`;
  const point = flags.at === undefined ? statedAt : flags.at.toISOString();
  return [
    `restored into ${resolve(flags.data)} from ${formatCount(names.length, 'backup')} (${names[0]})`,
    `reached ${lsn}${last}; it goes on as timeline ${timeline}`,
    flags.lsn === undefined
      ? `all that was acknowledged before ${point} is there`
      : `all before ${flags.lsn} is there`,
    `records of journals that had not reached the database: as of ${journalsAt}`,
    ...describeEnded(restored),
    `next: loadstone verify --data ${shellQuote(resolve(flags.data))}`,
  ].join('\n');
}

/** A copy does not write into the backups of what it is a copy of. */
function describeEnded({ schedulesEnded }: { schedulesEnded: number }): string[] {
  if (schedulesEnded === 0) return [];
  return [
    `backups are not scheduled here any more (${formatCount(schedulesEnded, 'schedule')}): if it takes the place of the old installation, schedule them anew`,
  ];
}

function describeLogical(restored: LogicallyRestored, flags: RestoreFlags): string {
  const { name, statedAt, tables, rows } = restored;
  return [
    `restored ${formatCount(rows, 'row')} of ${formatCount(tables, 'table')} from the logical backup ${name}`,
    `all that was acknowledged before ${statedAt} is there`,
    ...describeEnded(restored),
    `next, with the same --database: loadstone verify --data ${shellQuote(resolve(flags.data))}`,
  ].join('\n');
}

async function migrate(configuration: Configuration, deps: RestoreDeps): Promise<void> {
  const primary = configuration.options.database.primary ?? '';
  const { database } = createInstallation(configuration, { kind: 'named', primary }, deps);
  try {
    await database.start(deps.signal);
  } finally {
    await database.stop(AbortSignal.timeout(STOP_MS_MAX));
  }
}

async function restoreRows(directory: string, flags: RestoreFlags, deps: RestoreDeps): Promise<Answer> {
  if (flags.at !== undefined || flags.lsn !== undefined) {
    throw usageError('a logical backup has one point only: --at and --lsn do not apply');
  }
  const configuration = await readConfiguration(flags, process.env);
  const { primary: url } = configuration.options.database;
  if (url === undefined)
    throw usageError('a logical backup is restored into an empty database: name it with --database');
  const restored = await restoreLogical(
    { directory, url, migrate: () => migrate(configuration, deps), ...given(flags) },
    deps,
  );
  return { text: describeLogical(restored, flags), json: restored };
}

async function restoreFiles(directory: string, flags: RestoreFlags, deps: RestoreDeps): Promise<Answer> {
  const target = targetOf(flags);
  const { major: postgresMajor } = locateInstallation();
  const restored = await restorePhysical({ directory, target, postgresMajor, ...given(flags) }, deps);
  return { text: describePhysical(restored, flags), json: restored };
}

/** Which kind the newest backup is of: one directory has backups of one installation. */
function isLogical(directory: string): boolean {
  return listBackups(directory).at(-1)?.name.endsWith('-logical') ?? false;
}

export function addRestoreCommand(program: Command): void {
  program
    .command('restore')
    .description('Make an installation out of backups, in an empty directory (or database).')
    .argument('<dir>', 'directory of the backups')
    .requiredOption('--data <dir>', 'data directory to make: missing, or empty')
    .option('--at <time>', 'to this time (default: as late as can be)', parseAt)
    .option('--lsn <lsn>', 'to this position of the write-ahead log', parseLsn)
    .option('--key-file <file>', 'file with the key of encrypted backups (or LOADSTONE_BACKUP_KEY)')
    .option(
      '--master-key-file <file>',
      'file with the master key (or LOADSTONE_MASTER_KEY), if the backup lacks it',
    )
    .option('--database <url>', 'postgres:// address of an empty database, for a logical backup')
    .option(
      '--systems <names>',
      `systems of the installation, for a logical backup (default ${SYSTEMS_DEFAULT.join(',')})`,
    )
    .option('--config <file>', 'configuration file, for a logical backup')
    .option('--json', 'answer in JSON, for programs')
    .action((directory: string, flags: RestoreFlags) => {
      const from = resolve(directory);
      const restore = isLogical(from) ? restoreRows : restoreFiles;
      return untilInterrupted(flags, (signal) => restore(from, flags, depsFor(signal)));
    });
}
