/**
 * `loadstone backup`: takes backups of an installation that may be serving, lists them and checks them.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { sleep } from '#base/clock';
import { isLoadstoneError } from '#base/errors';
import { systemRandom } from '#base/random';
import { toTime } from '#base/values/time';
import {
  type BackupSchedule,
  type BackupSource,
  type Checked,
  checkBackups,
  type Entry,
  findMasterKey,
  findSource,
  isGood,
  listBackups,
  readBackupSecret,
  readSchedules,
  type ScheduleState,
  scheduleBackup,
  type TakenBackup,
  takeBackup,
  unscheduleBackup,
  type What,
} from '#blocks/backup';
import { VERSION } from '#server/version';
import {
  type Answer,
  addInstallationFlags,
  type CommandContext,
  type InstallationFlags,
  onInstallation,
  say,
  usageError,
  wholeNumber,
} from '../command.ts';
import type { Configuration } from '../config.ts';
import { untilInterrupted } from './on-files.ts';
import { alignColumns, formatBytes, formatCount, formatSpan, formatTime, oneLine } from '../text/text.ts';

const KEEP_MAX = 10_000;
const ERROR_LENGTH_MAX = 160;
/** For a backup that another process is writing. */
const WAIT_MS_MAX = 3_600_000;
const LOOK_MS = 500;

interface BackupFlags extends InstallationFlags {
  wal?: boolean;
  keyFile?: string;
  keep?: number;
  schedule?: string;
  unschedule?: boolean;
}

interface RepositoryFlags {
  json?: boolean;
  keyFile?: string;
}

const secretOf = ({ keyFile }: { keyFile?: string }) =>
  readBackupSecret(keyFile, process.env.LOADSTONE_BACKUP_KEY);

/** The installation as a backup sees it; its database runs. */
function sourceOf({ options }: Configuration): BackupSource {
  const dataDirectory = resolve(options.data);
  const masterKey = findMasterKey(dataDirectory, process.env.LOADSTONE_MASTER_KEY, systemRandom);
  return findSource({ primary: options.database.primary, dataDirectory }, masterKey);
}

const NAMES: Record<What, string> = { base: 'a base backup', wal: 'a copy of the write-ahead log' };
const KINDS = {
  physical: 'base backup',
  wal: 'write-ahead log',
  logical: 'logical backup',
} as const;

function describeTaken({ manifest, directory, storedBytes, tookMs, removed }: TakenBackup): string {
  const { kind, statedAt, encryption, masterKey } = manifest;
  const lines = [
    `${KINDS[kind]} ${directory}: ${formatBytes(storedBytes)} in ${formatSpan(tookMs)}${encryption ? ', encrypted' : ''}`,
    `it has all that was acknowledged before ${statedAt}`,
  ];
  if (kind === 'logical') {
    lines.push('it is logical: the rows as of that moment, and no log to go on from there');
  }
  if (masterKey.kept === 'apart' && masterKey.fingerprint !== null) {
    lines.push(
      'it does not contain the master key: keep that apart, without it sealed secrets cannot be opened',
    );
  }
  if (removed.length > 0) lines.push(`${formatCount(removed.length, 'older backup')} removed`);
  return lines.join('\n');
}

/** Waits for whoever writes into the directory, such as a scheduled backup. @throws backup_in_progress after an hour */
async function afterOthers<T>(
  take: () => Promise<T>,
  { clock, signal, report }: Pick<CommandContext, 'clock' | 'signal' | 'report'>,
): Promise<T> {
  const beganMs = clock.monotonicMs();
  for (let tries = 1; ; tries++) {
    try {
      return await take();
    } catch (error) {
      const waits = isLoadstoneError(error) && error.code === 'backup_in_progress';
      if (!waits || clock.monotonicMs() - beganMs > WAIT_MS_MAX) throw error;
      if (tries === 1) report(`another backup is being written there, and is waited for: ${error.message}`);
    }
    await sleep(clock, LOOK_MS, signal);
  }
}

async function take(
  { configuration, clock, signal, report }: CommandContext,
  directory: string,
  flags: BackupFlags,
): Promise<Answer> {
  const source = sourceOf(configuration);
  const request = {
    directory: resolve(directory),
    what: flags.wal ? ('wal' as const) : ('base' as const),
    secret: secretOf(flags),
    keep: flags.keep,
  };
  const deps = { clock, random: systemRandom, signal, version: VERSION, report };
  const taken = await afterOthers(() => takeBackup(source, request, deps), { clock, signal, report });
  const { manifest, ...rest } = taken;
  const { name, kind, statedAt } = manifest;
  return { text: describeTaken(taken), json: { name, kind, statedAt, ...rest } };
}

async function schedule(
  { coreRuntime, clock }: CommandContext,
  directory: string,
  flags: BackupFlags & { schedule: string },
): Promise<Answer> {
  if (flags.keyFile === undefined && process.env.LOADSTONE_BACKUP_KEY !== undefined) {
    throw usageError('a schedule keeps no key: name the file of the key with --key-file');
  }
  const wanted: BackupSchedule = {
    what: flags.wal ? 'wal' : 'base',
    pattern: flags.schedule,
    directory: resolve(directory),
    keyFile: flags.keyFile === undefined ? undefined : resolve(flags.keyFile),
    keep: flags.keep,
  };
  const { nextRunMs } = await scheduleBackup(coreRuntime.database, wanted, clock.nowMs()).catch(
    (error: unknown) => {
      if (!isLoadstoneError(error) || error.code !== 'backup_schedule_invalid') throw error;
      throw usageError(`--schedule: ${error.message}`);
    },
  );
  return {
    text: `${NAMES[wanted.what]} into ${wanted.directory} by "${wanted.pattern}" (UTC), next at ${formatTime(nextRunMs)}`,
    json: { ...wanted, nextRunAt: toTime(nextRunMs) },
  };
}

async function unschedule(
  { coreRuntime, configuration, signal }: CommandContext,
  flags: BackupFlags,
): Promise<Answer> {
  const what = flags.wal ? 'wal' : 'base';
  await unscheduleBackup(coreRuntime.database, what, sourceOf(configuration), signal);
  return { text: `${NAMES[what]} is scheduled no more`, json: { what } };
}

function rowOfSchedule(state: ScheduleState): string[] {
  const { what, pattern, directory, nextRunMs, lastEndedMs, lastGoodMs, lastError } = state;
  const outcome = lastEndedMs === undefined ? 'has not run' : lastError === undefined ? 'good' : lastError;
  return [
    what,
    pattern,
    formatTime(nextRunMs),
    formatTime(lastEndedMs),
    formatTime(lastGoodMs),
    directory,
    oneLine(outcome, ERROR_LENGTH_MAX),
  ];
}

/** Exit status 1 when the last run of one has failed. */
async function listSchedules({ coreRuntime }: CommandContext): Promise<Answer> {
  const states = await readSchedules(coreRuntime.database.core);
  const head = ['WHAT', 'PATTERN', 'NEXT', 'LAST', 'GOOD UP TO', 'DIRECTORY', 'OUTCOME'];
  return {
    text:
      states.length === 0 ? 'no backups are scheduled' : alignColumns([head, ...states.map(rowOfSchedule)]),
    json: { items: states.map(scheduleToJson) },
    exitStatus: states.some(({ lastError }) => lastError !== undefined) ? 1 : 0,
  };
}

function scheduleToJson({ nextRunMs, lastEndedMs, lastGoodMs, ...state }: ScheduleState) {
  const times = {
    nextRunAt: toTime(nextRunMs),
    lastEndedAt: toTime(lastEndedMs),
    lastGoodAt: toTime(lastGoodMs),
  };
  return { ...state, ...times, lastError: state.lastError ?? null };
}

function rowOf(entry: Entry): string[] {
  if (!isGood(entry)) return [entry.name, '-', '-', '-', `damaged: ${entry.problem.message}`];
  const { kind, statedAt, files, encryption, loadstone } = entry.manifest;
  const bytes = files.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const notes = [`Loadstone ${loadstone}`, ...(encryption ? ['encrypted'] : [])];
  return [entry.name, kind, formatTime(Date.parse(statedAt)), formatBytes(bytes), notes.join(', ')];
}

function list(directory: string, flags: RepositoryFlags): void {
  const entries = listBackups(resolve(directory));
  const head = ['NAME', 'KIND', 'STATED', 'SIZE', 'NOTE'];
  const items = entries.map((entry) =>
    isGood(entry)
      ? { problem: null, ...entry.manifest }
      : { name: entry.name, problem: entry.problem.message },
  );
  const text = entries.length === 0 ? 'no backups' : alignColumns([head, ...entries.map(rowOf)]);
  say({ text, json: { items } }, flags);
}

function describeChecked(checked: readonly Checked[]): string {
  const bad = checked.filter(({ problem }) => problem);
  const lines = bad.map(({ name, problem }) => `${name}: ${problem?.message}`);
  return [...lines, `${formatCount(checked.length, 'backup')} read, ${bad.length} damaged`].join('\n');
}

async function check(directory: string, flags: RepositoryFlags, signal: AbortSignal): Promise<Answer> {
  const checked = await checkBackups(resolve(directory), secretOf(flags), signal);
  const items = checked.map(({ name, problem }) => ({ name, problem: problem?.message ?? null }));
  return {
    text: describeChecked(checked),
    json: { items },
    exitStatus: items.some(({ problem }) => problem !== null) ? 1 : 0,
  };
}

const KEY_FLAG = [
  '--key-file <file>',
  'file with the key of encrypted backups (or LOADSTONE_BACKUP_KEY)',
] as const;

export function addBackupCommand(program: Command): void {
  const backup = addInstallationFlags(
    program
      .command('backup')
      .helpCommand(false)
      .description('Back up an installation that may be serving, into a directory of backups.')
      .argument('[dir]', 'directory of the backups; made if it is missing')
      .option('--wal', 'only the write-ahead log since the last copy, for restores to a point in time')
      .option(...KEY_FLAG)
      .option('--schedule <cron>', 'have the server do so by itself: a cron pattern, in UTC')
      .option('--unschedule', 'have it do so no more')
      .option('--keep <n>', 'then remove whole backups older than the n newest', wholeNumber(1, KEEP_MAX)),
  ).action((directory: string | undefined, flags: BackupFlags) => {
    const { schedule: pattern, unschedule: ends } = flags;
    if (ends) return onInstallation(flags, (context) => unschedule(context, flags));
    if (directory === undefined) throw usageError('name the directory of the backups');
    return onInstallation(flags, (context) =>
      pattern === undefined
        ? take(context, directory, flags)
        : schedule(context, directory, { ...flags, schedule: pattern }),
    );
  });
  addInstallationFlags(
    backup
      .command('ls')
      .description(
        'List the backups of a directory, oldest first; without one, what is scheduled and how it went.',
      )
      .argument('[dir]', 'directory of the backups'),
  ).action((directory: string | undefined, flags: BackupFlags) => {
    const all = { ...backup.opts(), ...flags };
    return directory === undefined ? onInstallation(all, listSchedules) : list(directory, all);
  });
  backup
    .command('check')
    .description(
      'Read every backup of a directory and compare its checksums. Exit status 1 if one is damaged.',
    )
    .argument('<dir>', 'directory of the backups')
    .option('--json', 'answer in JSON, for programs')
    .option(...KEY_FLAG)
    .action((directory: string, flags: RepositoryFlags) => {
      const all = { ...backup.opts(), ...flags };
      return untilInterrupted(all, (signal) => check(directory, all, signal));
    });
}
