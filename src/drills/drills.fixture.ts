import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { readSeed } from '#base/testing/seed.fixture';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { type Drilled, type DrillOptions, runDrill } from './run-drill.ts';
import type { Scenario } from './scenario.ts';

const ENTRY = join(import.meta.dirname, '..', 'cli', 'main.ts');
const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'loadstone');

/** Runs a scenario by the program of this checkout, and tells what it did. */
export async function drillOnce(
  t: TestContext,
  scenario: Scenario,
  own: Partial<DrillOptions> = {},
): Promise<Drilled> {
  const options = {
    seed: readSeed(),
    seconds: scenario.seconds,
    ratePerS: undefined,
    systems: SYSTEMS_DEFAULT,
    ...own,
  };
  const again = (ratePerS: number) =>
    `loadstone drill ${scenario.name} --seed ${options.seed} --seconds ${options.seconds} --rate ${ratePerS}`;
  t.diagnostic(`seed ${options.seed} (the same again: LOADSTONE_SEED=${options.seed})`);
  const kept = Object.entries(process.env).filter(([name]) => !/^(LOADSTONE_|npm_|NODE_)/i.test(name));
  return runDrill(
    scenario,
    { again, ...options },
    {
      clock: systemClock,
      random: systemRandom,
      signal: t.signal,
      command: [process.execPath, ENTRY],
      env: { ...(Object.fromEntries(kept) as Record<string, string>), NODE_COMPILE_CACHE: CACHE },
      watch: {
        phase: () => {},
        loadBegins: () => {},
        mark: ({ atMs, text }) => t.diagnostic(`${(atMs / 1000).toFixed(1)} s  ${text}`),
        attempt: () => {},
      },
    },
  );
}
