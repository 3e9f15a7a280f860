/**
 * `loadstone drill`: breaks servers of its own under load, and checks what they promise. Exit status 0 when all checks have
 * passed, 1 when one has failed, 2 for a wrong command line, 3 when a drill could not be carried out, 4 when the machine was
 * too busy to tell, 130 after Ctrl-C.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { systemClock } from '#base/clock';
import { describeError, isLoadstoneError } from '#base/errors';
import { systemRandom } from '#base/random';
import type { RunningInstallation } from '#drills/installation/attached';
import { passed, type Verdict, verdictOf } from '#drills/report/result';
import type { Drilled } from '#drills/run-drill';
import type { Scenario } from '#drills/scenario';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { usageError, wholeNumber } from './command.ts';
import { onStopSignals } from './start/stop-signals.ts';
import { alignColumns, shellQuote } from './text/text.ts';

const EXIT_FAILED = 1;
const EXIT_NOT_RUN = 3;
const EXIT_BUSY = 4;
const EXIT_INTERRUPTED = 130;
const EXIT_OF: Record<Verdict, number> = {
  passed: 0,
  failed: EXIT_FAILED,
  busy: EXIT_BUSY,
  invalid: EXIT_NOT_RUN,
};
const SEED_MAX = 2 ** 31 - 1;
const SECONDS_MAX = 3600;
const RATE_MAX = 100_000;
const COLUMNS_DEFAULT = 80;

const SAFETY = `
Each drill starts servers of its own in a temporary directory, on free ports of
127.0.0.1, and removes all of it. It touches nothing else.

With --data it breaks the installation that runs there instead, if that was
started for drills (LOADSTONE_FAULTS=FILE loadstone start); its root key is
taken from LOADSTONE_ROOT_KEY. It runs on afterwards, with what the drill made.

A drill takes place at the rate that is found to be a third of what the
machine holds at that moment, and at most at that of the drill.

Exit status: 0 all checks passed, 1 one failed, 2 called wrongly,
3 a drill could not be carried out, 4 the machine was too busy to tell
(nothing was lost, done twice or wrong, as far as was seen), 130 after Ctrl-C.
`;

interface DrillFlags {
  seed?: number;
  seconds?: number;
  rate?: number;
  json?: string;
  html?: string;
  report?: string;
  data?: string;
  systems?: string;
}

/** Settings of this shell are not those of the servers under drill. */
function cleanEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const isForeign = ([name]: [string, string | undefined]) =>
    /^(LOADSTONE_|npm_|NODE_OPTIONS$|NODE_CHANNEL)/i.test(name);
  return Object.fromEntries(Object.entries(env).filter((entry) => !isForeign(entry))) as Record<
    string,
    string
  >;
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

interface Run {
  scenario: Scenario;
  seed: number;
  seconds: number;
  /** Undefined: to be found. */
  ratePerS: number | undefined;
  at: RunningInstallation | undefined;
  /** Paths are absolute. */
  systems: readonly string[];
  /** Whether they were asked for. */
  areNamed: boolean;
}

/** @throws a usage error where no key is given */
function findInstallation({ data }: DrillFlags): RunningInstallation | undefined {
  if (data === undefined) return undefined;
  const rootKey = process.env.LOADSTONE_ROOT_KEY;
  if (rootKey) return { data: resolve(data), rootKey };
  throw usageError('--data: set LOADSTONE_ROOT_KEY to the root key of the installation');
}

/** @throws a usage error for a time that is too short */
function planRun(
  scenario: Scenario,
  flags: DrillFlags,
  given: Pick<Run, 'seed' | 'at' | 'systems' | 'areNamed'>,
): Run {
  const { seconds = scenario.seconds, rate } = flags;
  if (seconds < scenario.secondsMin) {
    throw usageError(
      `--seconds: ${scenario.name} needs at least ${scenario.secondsMin} to break, heal and recover`,
    );
  }
  return { ...given, scenario, seconds, ratePerS: rate };
}

function againOf(
  { scenario, seed, seconds, at, systems, areNamed }: Run,
  ratePerS: number | undefined,
): string {
  const where = at === undefined ? '' : ` --data ${shellQuote(at.data)}`;
  const rate = ratePerS === undefined ? '' : ` --rate ${ratePerS}`;
  const which = areNamed ? ` --systems ${shellQuote(systems.join(','))}` : '';
  return `loadstone drill ${scenario.name} --seed ${seed} --seconds ${seconds}${rate}${which}${where}`;
}

/** What a person sees meanwhile goes to standard error: standard output has the results alone. */
async function openView(drill: string) {
  const { createLiveView, wantsColours } = await import('#drills/report/live');
  const { stderr } = process;
  const isTerminal = stderr.isTTY === true;
  const hasColours = wantsColours(process.env, isTerminal);
  const columns = () => stderr.columns ?? COLUMNS_DEFAULT;
  const view = createLiveView(
    { drill, isTerminal, hasColours, columns },
    { clock: systemClock, write: (text) => void stderr.write(text) },
  );
  return view;
}

async function runOne(run: Run, signal: AbortSignal): Promise<Drilled> {
  const { runDrill } = await import('#drills/run-drill');
  const { scenario, seed, seconds, ratePerS, at, systems } = run;
  const view = await openView(scenario.name);
  process.once('exit', view.end);
  try {
    return await runDrill(
      scenario,
      { seed, seconds, ratePerS, at, systems, again: (rate) => againOf(run, rate) },
      {
        clock: systemClock,
        random: systemRandom,
        signal,
        // The same Node, with the same flags, and the same entry: compiled or not.
        command: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
        env: cleanEnvironment(process.env),
        watch: view,
      },
    );
  } finally {
    process.off('exit', view.end);
    view.end();
  }
}

const toJson = ({ result, requests }: Drilled) => ({ ...result, verdict: verdictOf(result), requests });

async function writeReports(drilled: readonly Drilled[], { json, html, report }: DrillFlags): Promise<void> {
  const { renderHtml } = await import('#drills/report/html');
  const inJson = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  if (json !== undefined) {
    writeFileSync(
      json,
      inJson(drilled.length === 1 && drilled[0] ? toJson(drilled[0]) : drilled.map(toJson)),
    );
  }
  if (html !== undefined) writeFileSync(html, renderHtml(drilled.map(({ result }) => result)));
  if (report === undefined) return;
  mkdirSync(report, { recursive: true });
  for (const each of drilled) {
    const file = join(report, `${each.result.drill}-${each.result.seed}`);
    writeFileSync(`${file}.json`, inJson(toJson(each)));
    writeFileSync(`${file}.html`, renderHtml([each.result]));
    writeFileSync(`${file}.history.json`, `${JSON.stringify(each.history)}\n`);
  }
}

/** A short drill says one line when all is well. @returns the exit status */
async function sayResult({ result }: Drilled): Promise<number> {
  const { formatResult } = await import('#drills/report/report');
  const { summarize } = await import('#drills/report/text');
  const isBrief = result.drill === 'quick' && passed(result);
  process.stdout.write(`${isBrief ? summarize(result) : formatResult(result)}\n`);
  return EXIT_OF[verdictOf(result)];
}

/** What was seen to fail weighs most, then what was not carried out, then what could not be told. */
function worseExit(one: number, other: number): number {
  const order = [0, EXIT_BUSY, EXIT_NOT_RUN, EXIT_FAILED];
  return order.indexOf(one) >= order.indexOf(other) ? one : other;
}

async function drill(name: string, flags: DrillFlags): Promise<void> {
  const { drillNames, findScenarios } = await import('#drills/catalogue');
  const seed = flags.seed ?? systemRandom.bytes(4).readUInt32LE() % SEED_MAX;
  const at = findInstallation(flags);
  const { systemsOf } = await import('./named-systems.ts');
  const [systems, areNamed] = [systemsOf(flags.systems), flags.systems !== undefined];
  if (areNamed && at !== undefined) throw usageError('--systems: with --data it is those that run there');
  const scenarios = findScenarios(name);
  const runs = scenarios.map((scenario) => planRun(scenario, flags, { seed, at, systems, areNamed }));
  if (runs.length === 0) throw usageError(`no drill is called ${name}; known is ${drillNames.join(', ')}`);
  const interrupt = new AbortController();
  onStopSignals(systemClock, process.env.npm_lifecycle_event !== undefined, {
    onFirst: () => interrupt.abort(new Error('interrupted')),
    onSecond: () => tell('loadstone: what the drill has broken is being put in order'),
  });
  const drilled: Drilled[] = [];
  let exit = 0;
  try {
    for (const run of runs) {
      tell(`loadstone: ${againOf(run, run.ratePerS)}`);
      const each = await runOne(run, interrupt.signal).catch((error: unknown) => {
        if (!isLoadstoneError(error) || interrupt.signal.aborted) throw error;
        if (error.code === 'drill_machine_busy') exit = worseExit(exit, EXIT_BUSY);
        else if (runs.length === 1 || error.code !== 'drill_needs_more') throw error;
        tell(
          `loadstone: ${error.code === 'drill_needs_more' ? 'left out' : 'machine too busy'}: ${describeError(error)}`,
        );
      });
      if (each === undefined) continue;
      drilled.push(each);
      exit = worseExit(exit, await sayResult(each));
    }
  } catch (error) {
    exit = interrupt.signal.aborted ? EXIT_INTERRUPTED : worseExit(exit, EXIT_NOT_RUN);
    tell(`loadstone: ${describeError(error)}`);
  }
  process.exitCode = exit;
  await writeReports(drilled, flags);
}

async function list(): Promise<void> {
  const { findScenarios, scenarios } = await import('#drills/catalogue');
  const rows = [...findScenarios('quick'), ...scenarios].map(({ name, seconds, summary }) => [
    name,
    `${seconds} s`,
    summary,
  ]);
  process.stdout.write(`${alignColumns([['DRILL', 'LOAD', 'WHAT'], ...rows])}\n`);
}

export function addDrillCommand(program: Command): void {
  const command = program
    .command('drill')
    .description('Break servers under load, its own or a test installation, and check what they promise.')
    .usage('<name>|quick|all [flags]')
    .argument('<name>', 'a drill that `drill ls` lists; quick: a short one; all: each in turn')
    .helpCommand(false)
    .addOption(
      new Option('--seed <n>', 'arrivals, operations, victims and moments (default: a new one)').argParser(
        wholeNumber(0, SEED_MAX),
      ),
    )
    .addOption(
      new Option('--seconds <n>', 'length of the load (default: that of the drill)').argParser(
        wholeNumber(1, SECONDS_MAX),
      ),
    )
    .addOption(
      new Option('--rate <n>', 'requests a second (default: found, at most that of the drill)').argParser(
        wholeNumber(1, RATE_MAX),
      ),
    )
    .option(
      '--systems <names>',
      `systems to run and drill, names or paths (default ${SYSTEMS_DEFAULT.join(',')})`,
    )
    .option('--data <dir>', 'break the test installation that runs in this directory')
    .option('--json <file>', 'write the result as JSON')
    .option('--html <file>', 'write the result as one page')
    .option('--report <dir>', 'write JSON, page and history of each drill into this directory')
    .allowExcessArguments(false)
    .addHelpText('after', SAFETY)
    .action(drill);
  command.command('ls').description('List the drills.').action(list);
}
