/**
 * A drill on a build that is broken on purpose, or on the one that is not, with the same seed.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import type { BrokenBuild } from './broken/builds.fixture.ts';
import type { DrillResult } from './report/result.ts';
import { runDrill } from './run-drill.ts';
import type { Scenario } from './scenario.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const HOOK = pathToFileURL(join(import.meta.dirname, 'broken', 'hook.fixture.ts')).href;
const ENTRY = join(ROOT, 'src', 'cli', 'main.ts');
const QUIET = { phase: () => {}, loadBegins: () => {}, mark: () => {}, attempt: () => {} };

export interface BrokenRun {
  seed: number;
  seconds: number;
  ratePerS: number;
  signal: AbortSignal;
  /** Those that come with Loadstone unless told otherwise. */
  systems?: readonly string[];
}

/** Of this process, those are kept that say where things are; settings of the test run must not reach a server. */
function cleanEnvironment(): Record<string, string> {
  const isForeign = (name: string) => /^(LOADSTONE_|npm_|NODE_|INIT_CWD)/i.test(name);
  const kept = Object.entries(process.env).filter(([name]) => !isForeign(name));
  return Object.fromEntries(kept) as Record<string, string>;
}

/** @param build undefined for the one that is not broken */
export async function drillBuild(
  build: BrokenBuild | undefined,
  scenario: Scenario,
  { signal, ...run }: BrokenRun,
): Promise<DrillResult> {
  const hook = build ? ['--import', `${HOOK}?${build.name}`] : [];
  const { result } = await runDrill(
    scenario,
    {
      systems: SYSTEMS_DEFAULT,
      ...run,
      again: () => `the drill ${scenario.name} on ${build?.name ?? 'this build'}, seed ${run.seed}`,
    },
    {
      clock: systemClock,
      random: systemRandom,
      signal,
      command: [process.execPath, ...hook, ENTRY],
      env: cleanEnvironment(),
      watch: QUIET,
    },
  );
  return result;
}

/** What the checks claim that a broken build must not fulfil. */
export const LOST = 'nothing acknowledged is lost';
export const NOT_ONCE = 'every write has its events once, and an Idempotency-Key makes one item';
export const NOT_ONE_REGISTER =
  'every key is one register: reads and writes take effect in one order that fits their times';
export const GOES_ON = 'the old primary cannot go on when it is resumed, and none of its log is lost';
export const NOT_DERIVED = 'what is derived equals the truth';

export function failedClaims({ checks }: DrillResult): string[] {
  return checks.filter((check) => !check.passed).map(({ claim }) => claim);
}
