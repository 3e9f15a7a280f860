/**
 * Test files that share a process. A process of node's test runner takes 0.4 to 1 s of processor time before its first
 * test, most of it for loading what all of them load: half of the files need no process of their own, because they start
 * nothing that can outlive or disturb another file's tests.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Files in a process: few enough for the last process not to be waited for alone. */
const PURE_MAX = 40;
const WITH_DATABASE_MAX = 8;
/** Starts Postgres, and ends it when the tests of the process have ended. */
const DATABASE_FIXTURE = 'src/blocks/database/fixture.ts';
/** A part of that one, and the only one that may start processes. */
const OF_DATABASE = 'src/blocks/postgres/directory/cluster.fixture.ts';
/** What a file needs a process of its own for: what it starts, or what it changes for the whole process. */
const ALONE =
  /'node:(child_process|worker_threads|cluster|v8|vm)'|\bprocess\.(on|once|off|chdir|execPath|env\.\w+ =)|\bmock\./;
const IMPORTED = /\b(?:from|import)\s*\(?\s*'([.#][^']+)'/g;
/** What belongs to tests: the product itself may know how to start a process. */
const OF_TESTS = /\.(fixture|suite|test)\.ts$|\/fixture\.ts$/;

/** The `imports` of package.json, each with one `*`. */
function readAliases(root: string): [prefix: string, before: string, after: string][] {
  const { imports = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    imports?: Record<string, string>;
  };
  return Object.entries(imports).map(([name, target]) => {
    const [before = '', after = ''] = target.split('*');
    return [name.replace('*', ''), before, after];
  });
}

/** What the tests of a file need of their process: nothing, a Postgres of their own, or that it is theirs alone. */
type Need = 'nothing' | 'database' | 'process';

function worst(needs: readonly Need[]): Need {
  if (needs.includes('process')) return 'process';
  return needs.includes('database') ? 'database' : 'nothing';
}

/** Looks at the file, and at everything of tests that it reaches. */
export function createNeeds(root: string): (file: string) => Need {
  const aliases = readAliases(root);
  const known = new Map<string, Need>();

  function locate(from: string, name: string): string {
    if (name.startsWith('.')) return join(dirname(from), name);
    const alias = aliases.find(([prefix]) => name.startsWith(prefix));
    return alias ? join(alias[1], `${name.slice(alias[0].length)}${alias[2]}`) : name;
  }

  function needOf(file: string): Need {
    const found = known.get(file);
    if (found !== undefined) return found;
    known.set(file, 'nothing');
    const text = readFileSync(join(root, file), 'utf8');
    const reached = [...text.matchAll(IMPORTED)].map(([, name = '']) => locate(file, name));
    const own: Need = ALONE.test(text) && file !== OF_DATABASE ? 'process' : 'nothing';
    const ofTests = reached.filter((each) => OF_TESTS.test(each) && existsSync(join(root, each)));
    const need = worst([
      own,
      ...ofTests.map(needOf),
      ...(file === DATABASE_FIXTURE ? ['database' as const] : []),
    ]);
    known.set(file, need);
    return need;
  }
  return needOf;
}

/**
 * A suite for each file, so that the hooks of one are not those of the others. The fixture of databases comes first: what
 * a file has not ended itself is then ended after the last file, since all are loaded, and some start things, before the
 * first test runs.
 */
function textOf(root: string, files: readonly string[], need: Need): string {
  const urlOf = (file: string) => JSON.stringify(pathToFileURL(join(root, file)).href);
  const suites = files.map(
    (file) => `describe(${JSON.stringify(file)}, async () => {\n  await import(${urlOf(file)});\n});\n`,
  );
  const first = need === 'database' ? `import ${urlOf(DATABASE_FIXTURE)};\n` : '';
  return `import { describe } from 'node:test';\n${first}${suites.join('')}`;
}

/** As few groups as the bound allows, of like size; neighbours are apart, since a room's heavy files stand together. */
function divide(files: readonly string[], filesMax: number): string[][] {
  const count = Math.ceil(files.length / filesMax);
  return Array.from({ length: count }, (_, group) => files.filter((_file, at) => at % count === group));
}

/**
 * What the test runner is given for these files: those that share a process as a few files that load them, written into
 * `directory`, then the others.
 */
export function groupTests(root: string, directory: string, files: readonly string[]): string[] {
  const needOf = createNeeds(root);
  const shared = (['nothing', 'database'] as const).flatMap((need) => {
    const filesMax = need === 'database' ? WITH_DATABASE_MAX : PURE_MAX;
    const members = files.filter((file) => needOf(file) === need);
    return divide(members, filesMax)
      .filter((group) => group.length > 1)
      .map((group) => ({ need, group }));
  });
  const written = shared.map(({ need, group }, index) => {
    const path = join(directory, `together-${String(index + 1).padStart(2, '0')}.test.mjs`);
    writeFileSync(path, textOf(root, group, need));
    return path;
  });
  const inGroups = new Set(shared.flatMap(({ group }) => group));
  return [...written, ...files.filter((file) => !inGroups.has(file))];
}
