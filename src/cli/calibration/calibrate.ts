/**
 * `loadstone calibrate`: measures what this machine can do, and writes it down for `loadstone plan`. Exit status 0 when it
 * has, 1 when it could not, 2 for a wrong command line, 130 after Ctrl-C.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { watchMachine } from '#blocks/load';
import { type Calibration, contradictionsOf } from '#blocks/plan';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { usageError, wholeNumber } from '../command.ts';
import { onStopSignals } from '../start/stop-signals.ts';
import { chooseCores, pinSelf } from './cores.ts';
import { calibrationErrors } from './errors.ts';
import { createQuiet, type Quality } from './quiet.ts';
import type { SiteDeps } from './site.ts';
import { SECONDS_DEFAULT, SECONDS_MAX, SECONDS_MIN, SECONDS_QUICK, type Speed, speedOf } from './speed.ts';
import { type CalibratedSystem, type Found, loadCalibrated, measuresOf, sortRoutes } from './systems.ts';

const EXIT_INTERRUPTED = 130;
const FILE_DEFAULT = 'calibration.json';

const NOTE = `
Starts a server of its own in a temporary directory, sends it load at several
concurrencies and rates, uses the blocks from this process, and removes all of it.
Run it where nothing else runs: what it measures is what is left over. What others
disturb is measured again, for a while, and marked where it stays disturbed; where
figures then contradict each other, nothing is written.
`;

interface CalibrateFlags {
  out: string;
  seconds?: number;
  quick?: boolean;
  force?: boolean;
  systems?: string;
}

function tell(text: string): void {
  process.stderr.write(`loadstone: ${text}\n`);
}

/** Settings of this shell are not those of the server. */
function cleanEnvironment(): Record<string, string> {
  const isForeign = ([name]: [string, string | undefined]) =>
    /^(LOADSTONE_|npm_|NODE_OPTIONS$|NODE_CHANNEL)/i.test(name);
  return Object.fromEntries(Object.entries(process.env).filter((entry) => !isForeign(entry))) as Record<
    string,
    string
  >;
}

function readVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** Null outside of a checkout. */
function readCommit(): string | null {
  const { status, stdout } = spawnSync('git', ['--no-optional-locks', 'rev-parse', '--short=10', 'HEAD'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : null;
}

async function describeMachine(pace: Speed, deps: SiteDeps) {
  const { KNEE_RULE } = await import('./routes.ts');
  const all = cpus();
  const cpu = all[0]?.model.trim() || 'unknown';
  return {
    format: 1 as const,
    label: `measured by loadstone calibrate on this machine (${cpu}, ${all.length} cores)`,
    source: 'measured' as const,
    measuredAt: new Date(deps.clock.nowMs()).toISOString(),
    version: readVersion(),
    commit: readCommit(),
    node: process.version,
    machine: {
      cpu,
      cores: all.length,
      memoryGib: Math.round(totalmem() / 2 ** 30),
      system: `${process.platform} ${release()}`,
    },
    placement: {
      serverCores: deps.cores?.server.length ?? all.length,
      generatorApart: deps.cores !== undefined,
    },
    knee: {
      p99MsMax: KNEE_RULE.withinMs,
      answeredShareMin: KNEE_RULE.shareMin,
      seconds: Math.round(pace.trialMs / 10) / 100,
    },
  };
}

/** Others may look at once; the machine is looked at beside each point. */
const SAMPLE_MS = 5000;

/**
 * Figures that contradict each other are worth nothing where others were busy; where nobody was, they are what was measured,
 * and say so.
 * @throws calibration_failed
 */
export function judgeQuality(
  calibration: Omit<Calibration, 'quality'>,
  quality: Omit<Quality, 'contradictions'>,
): Calibration {
  const contradictions = contradictionsOf(calibration);
  if (contradictions.length > 0 && quality.disturbed.length > 0) {
    const share = Math.round(quality.othersShareMax * 100);
    throw calibrationErrors.calibration_failed({
      detail: `others had up to ${share} % of the cores, and figures contradict each other: ${contradictions.join('; ')}`,
    });
  }
  return { ...calibration, quality: { ...quality, contradictions } };
}

async function measure(
  systems: readonly CalibratedSystem[],
  pace: Speed,
  deps: SiteDeps,
): Promise<Calibration> {
  const { startSite } = await import('./site.ts');
  const { measureRoute } = await import('./routes.ts');
  const { measureBlocks } = await import('./blocks.ts');
  const described = await describeMachine(pace, deps);
  tell('starting a server, and making what is to be read');
  const site = await startSite(systems, pace.items, deps);
  const machine = watchMachine({ roots: site.roots, sampleMs: SAMPLE_MS }, deps);
  const quiet = createQuiet(pace, { ...deps, machine });
  try {
    const found: Found[] = [];
    for (const measured of measuresOf(systems)) {
      const { name } = measured;
      tell(`measuring the route ${name}`);
      found.push({ ...measured, capacity: await measureRoute(name, site, { pace, quiet }) });
      if (quiet.isDisturbed(name)) tell(`${name}: others were busy meanwhile, and it stays disturbed`);
    }
    await site.stop();
    tell('measuring the blocks');
    const blocks = await measureBlocks(site, { pace, quiet }, deps);
    const measured = { ...described, ...sortRoutes(found), blocks };
    return judgeQuality(measured, quiet.report());
  } finally {
    machine.stop();
    await site.dispose();
  }
}

/** Leaves the file as it is. @throws calibration_failed */
function assertWritable(file: string, mayReplace: boolean): void {
  const isNew = !existsSync(file);
  if (!isNew && !mayReplace) {
    throw calibrationErrors.calibration_failed({
      detail: `${file} is there already, and is left as it is: --force replaces it, --out FILE names another`,
    });
  }
  try {
    closeSync(openSync(file, 'a'));
    if (isNew) rmSync(file);
  } catch (cause) {
    throw calibrationErrors.calibration_failed({ detail: `${file} cannot be written`, cause });
  }
}

async function calibrate(flags: CalibrateFlags): Promise<void> {
  const { out, seconds, quick = false, force = false } = flags;
  if (quick && seconds !== undefined) throw usageError('--quick and --seconds: give one of them');
  if (process.platform !== 'linux') {
    throw calibrationErrors.calibration_impossible_here({
      detail: `calibration reads /proc, which ${process.platform} does not have`,
    });
  }
  const file = resolve(out);
  const systems = await loadCalibrated(flags.systems);
  assertWritable(file, force);
  const interrupt = new AbortController();
  onStopSignals(systemClock, process.env.npm_lifecycle_event !== undefined, {
    onFirst: () => interrupt.abort(new Error('interrupted')),
    onSecond: () => tell('what was started is being stopped'),
  });
  const cores = chooseCores();
  if (cores) pinSelf([cores.generator]);
  try {
    const calibration = await measure(
      systems,
      speedOf(seconds ?? (quick ? SECONDS_QUICK : SECONDS_DEFAULT)),
      {
        ...{ clock: systemClock, random: systemRandom, signal: interrupt.signal, cores },
        env: cleanEnvironment(),
      },
    );
    writeFileSync(file, `${JSON.stringify(calibration, null, 2)}\n`, { flag: force ? 'w' : 'wx' });
    const { renderCalibration } = await import('./text.ts');
    process.stdout.write(`${renderCalibration(calibration)}\nwritten to ${file}\n`);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = EXIT_INTERRUPTED;
  }
}

export function addCalibrateCommand(program: Command): void {
  program
    .command('calibrate')
    .description('Measure what this machine can do, for `loadstone plan`.')
    .option('--out <file>', 'where the figures go', FILE_DEFAULT)
    .option(
      '--seconds <n>',
      `about how long it takes (default ${SECONDS_DEFAULT})`,
      wholeNumber(SECONDS_MIN, SECONDS_MAX),
    )
    .option('--systems <names>', `systems to measure, names or paths (default ${SYSTEMS_DEFAULT.join(',')})`)
    .option('--force', 'replace the file if it is there')
    .option('--quick', `about ${SECONDS_QUICK} s, and less sure`)
    .allowExcessArguments(false)
    .addHelpText('after', NOTE)
    .action(calibrate);
}
