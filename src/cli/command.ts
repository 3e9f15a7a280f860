/**
 * What all commands that look at an installation or repair it have in common: flags, how they reach it, how they answer,
 * and how they end.
 */
import { type Command, CommanderError, InvalidArgumentError } from 'commander';
import { type Clock, systemClock, type Timer } from '#base/clock';
import { createDeadline, withSignal } from '#base/deadline';
import { composeLifecycles, type Lifecycle } from '#base/lifecycle';
import type { Log, LogLevel } from '#base/log';
import { systemRandom } from '#base/random';
import type { CoreRuntime } from '#server/core-runtime';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { type Configuration, readConfiguration, type StartFlags } from './config.ts';
import { unknownVariables } from './environment.ts';
import { createInstallation, type DatabaseLocation, locateDatabase } from './installation.ts';
import { openLog } from './open-log.ts';
import { onStopSignals } from './start/stop-signals.ts';

export interface InstallationFlags extends Pick<StartFlags, 'data' | 'database' | 'systems' | 'config'> {
  json?: boolean;
}

/** What a command says, to people and to programs. */
export interface Answer {
  text: string;
  json: unknown;
  /** Default: 0. */
  exitStatus?: number;
}

export interface CommandContext {
  coreRuntime: CoreRuntime;
  configuration: Configuration;
  clock: Clock;
  /** Aborts at Ctrl-C. */
  signal: AbortSignal;
  /** Tells a person, on standard error, how far it is. */
  report: (line: string) => void;
}

const EXIT_INTERRUPTED = 130;
const EXIT_USAGE = 2;
/** How long work may take to end after Ctrl-C, before it is left. */
const GRACE_MS = 3000;
const STOP_MS_MAX = 20_000;
/** What takes longer to reach the database than this is told of. */
const PATIENCE_MS = 2000;

const FINDING = `
Finds the installation as start does: by these flags, LOADSTONE_DATA,
LOADSTONE_DATABASE, LOADSTONE_SYSTEMS, LOADSTONE_CONFIG and loadstone.yaml.
A server that runs there goes on undisturbed; if none does, its Postgres is
started for the command and stopped after it.
`;

/** A command that only leads to others. */
export function addFamily(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .usage('<command>')
    .helpCommand(false)
    .addHelpText('after', `\nThe flags of a command: loadstone ${name} <command> --help.\n`);
}

/** Gives a command the flags that find the installation, and `--json`. */
export function addInstallationFlags(command: Command): Command {
  return command
    .option('--json', 'answer in JSON, for programs')
    .option('--data <dir>', 'data directory of the server (default ./data)')
    .option('--database <url>', 'postgres:// address, where that is used instead of the embedded Postgres')
    .option('--systems <names>', `systems that the server runs (default ${SYSTEMS_DEFAULT.join(',')})`)
    .option('--config <file>', 'configuration file (default ./loadstone.yaml, if there is one)')
    .addHelpText('after', FINDING);
}

/** Refuses the command line, with exit status 2. */
export function usageError(message: string): Error {
  return new CommanderError(EXIT_USAGE, 'loadstone.usage', message);
}

/** For a flag or an argument: a whole number within bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Allowed is a whole number from ${min} to ${max}.`);
  };
}

function tell(text: string): void {
  process.stderr.write(`loadstone: ${text}\n`);
}

/** Tells only what is still being waited for after a while. */
function createPatience(clock: Clock): { report: (line: string) => void; done: () => void } {
  let timer: Timer | undefined;
  return {
    report(line) {
      timer?.cancel();
      timer = clock.after(PATIENCE_MS, () => tell(line), 'background');
    },
    done: () => timer?.cancel(),
  };
}

function createInterrupts(clock: Clock) {
  const [interrupt, giveUp, atOnce] = [new AbortController(), new AbortController(), new AbortController()];
  const reason = new Error('interrupted');
  onStopSignals(clock, process.env.npm_lifecycle_event !== undefined, {
    onFirst() {
      interrupt.abort(reason);
      clock.after(GRACE_MS, () => giveUp.abort(reason), 'background');
    },
    onSecond() {
      giveUp.abort(reason);
      atOnce.abort(reason);
    },
  });
  return { interrupted: interrupt.signal, givenUp: giveUp.signal, atOnce: atOnce.signal };
}

function open(
  configuration: Configuration,
  location: DatabaseLocation,
  { log, report }: { log: Log; report: (line: string) => void },
): CoreRuntime {
  if (location.kind === 'stopped') {
    tell(
      'no server runs in the data directory: its Postgres is started for this command, and stopped after it',
    );
  }
  return createInstallation(configuration, location, {
    clock: systemClock,
    random: systemRandom,
    log,
    report,
  });
}

/**
 * What of the core runtime is started. Where no server is known to run, `relay` has events moved to the log: the relay of the
 * command campaigns for the same lease as all others.
 */
export type Need = 'database' | 'relay';

/** What a command is particular about. */
export interface Particulars {
  need?: Need;
  /** Default: warn. */
  logLevel?: LogLevel;
  /** Refuses what the command line asks for, by the configuration alone, before anything is reached. */
  check?: (configuration: Configuration) => void;
}

function partsOf(
  { database, ids, streams, outbox }: CoreRuntime,
  location: DatabaseLocation,
  need: Need,
): Lifecycle {
  const withRelay = need === 'relay' && location.kind !== 'running';
  return composeLifecycles('installation', withRelay ? [database, ids, streams, outbox] : [database]);
}

/** Writes an answer to standard output, and sets the exit status. */
export function say(
  { text, json, exitStatus = 0 }: Answer,
  { json: asJson = false }: Pick<InstallationFlags, 'json'>,
): void {
  process.stdout.write(`${asJson ? JSON.stringify(json, null, 2) : text}\n`);
  process.exitCode = exitStatus;
}

/**
 * Reaches the installation, does the work and says its answer; nothing is left running, whatever happens.
 * Exit status: that of the answer; 130 after Ctrl-C. @throws what the work throws
 */
export async function onInstallation(
  flags: InstallationFlags,
  work: (context: CommandContext) => Promise<Answer>,
  { need = 'database', logLevel = 'warn', check = () => {} }: Particulars = {},
): Promise<void> {
  const clock = systemClock;
  // Whoever read it may be gone, as after `loadstone jobs ls | head`.
  process.stdout.on('error', () => {});
  for (const line of unknownVariables(process.env)) tell(line);
  const configuration = await readConfiguration(flags, process.env);
  check(configuration);
  const { interrupted, givenUp, atOnce } = createInterrupts(clock);
  const patience = createPatience(clock);
  const location = locateDatabase(configuration.options);
  const { format } = configuration.options.log;
  const { log } = openLog({ level: logLevel, format }, { clock, env: process.env });
  const coreRuntime = open(configuration, location, { log, report: patience.report });
  const parts = partsOf(coreRuntime, location, need);
  try {
    await parts.start(interrupted);
    patience.done();
    const context = { coreRuntime, configuration, clock, signal: interrupted, report: tell };
    say(await withSignal(work(context), givenUp), flags);
  } catch (error) {
    if (!interrupted.aborted) throw error;
    process.exitCode = EXIT_INTERRUPTED;
  } finally {
    patience.done();
    const deadline = createDeadline(clock, STOP_MS_MAX, atOnce);
    await parts.stop(deadline.signal).finally(deadline.done);
  }
}
