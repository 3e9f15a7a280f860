/**
 * The variables of the environment that a command heeds. One of our prefix that nothing heeds is most likely misspelt, and
 * would otherwise have no effect without a word.
 */
import { CHILDREN_VARIABLES } from './supervisor/child-messages.ts';

/** For people. `LOADSTONE_KEY` is the one that the lines of the welcome use. */
const KNOWN = [
  'LOADSTONE_CONFIG',
  'LOADSTONE_DATA',
  'LOADSTONE_LISTEN',
  'LOADSTONE_PUBLIC_URL',
  'LOADSTONE_SYSTEMS',
  'LOADSTONE_DATABASE',
  'LOADSTONE_LOG_LEVEL',
  'LOADSTONE_LOG_FORMAT',
  'LOADSTONE_PROCESSES',
  'LOADSTONE_ROLE',
  'LOADSTONE_ROOT_KEY',
  'LOADSTONE_MASTER_KEY',
  'LOADSTONE_BACKUP_KEY',
  'LOADSTONE_KEY',
  'LOADSTONE_FAULTS',
] as const;
/** Of the program itself, and of its tests. */
const INTERNAL = new Set<string>([
  ...CHILDREN_VARIABLES,
  'LOADSTONE_STARTED_AT_MS',
  'LOADSTONE_TEST_STARTED_MS',
  'LOADSTONE_RUNS',
  'LOADSTONE_SEED',
]);
const NAME_CHARS_MAX = 60;
const NAMED_MAX = 10;

/** How many letters have to be added, removed or changed to make one word of another (Levenshtein). Pure. */
export function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const changed = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

function nearest(name: string): string {
  const byDistance = KNOWN.map((known) => ({ known, far: distance(name.toUpperCase(), known) }));
  return byDistance.reduce((best, each) => (each.far < best.far ? each : best)).known;
}

/** A line for each variable of ours that nothing heeds, with the one that was perhaps meant. Pure. */
export function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const known = new Set<string>([...KNOWN, ...INTERNAL]);
  return Object.keys(env)
    .filter((name) => /^LOADSTONE_/i.test(name) && !known.has(name))
    .slice(0, NAMED_MAX)
    .map((name) => {
      const short = name.replaceAll(/\W/g, '?').slice(0, NAME_CHARS_MAX);
      return `the variable ${short} is not known, and has no effect; the nearest is ${nearest(short)}`;
    });
}
