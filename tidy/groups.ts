/**
 * Test files that share a process. A process of node's test runner takes 0.4 to 1 s of processor time before its first
 * test, most of it for loading what all of them load: half of the files need no process of their own, because they start
 * nothing that can outlive or disturb another file's tests.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** As many as keep two cores busy, with the rest to even out. */
const GROUPS = 4;
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

/** Whether the file, or anything of tests that it reaches, needs a process of its own. */
export function createSharing(root: string): (file: string) => boolean {
  const aliases = readAliases(root);
  const known = new Map<string, boolean>();

  function locate(from: string, name: string): string {
    if (name.startsWith('.')) return join(dirname(from), name);
    const alias = aliases.find(([prefix]) => name.startsWith(prefix));
    return alias ? join(alias[1], `${name.slice(alias[0].length)}${alias[2]}`) : name;
  }

  function mayShare(file: string): boolean {
    const found = known.get(file);
    if (found !== undefined) return found;
    known.set(file, true);
    const text = readFileSync(join(root, file), 'utf8');
    const reached = [...text.matchAll(IMPORTED)].map(([, name = '']) => locate(file, name));
    const may =
      !ALONE.test(text) &&
      reached.filter((each) => OF_TESTS.test(each) && existsSync(join(root, each))).every(mayShare);
    known.set(file, may);
    return may;
  }
  return mayShare;
}

/** A suite for each file, so that the hooks of one are not those of the others. */
function textOf(root: string, files: readonly string[]): string {
  const suites = files.map((file) => {
    const url = pathToFileURL(join(root, file)).href;
    return `describe(${JSON.stringify(file)}, async () => void (await import(${JSON.stringify(url)})));\n`;
  });
  return `import { describe } from 'node:test';\n${suites.join('')}`;
}

/**
 * What the test runner is given for these files: those that share a process as a few files that load them, written into
 * `directory`, then the others.
 */
export function groupTests(root: string, directory: string, files: readonly string[]): string[] {
  const mayShare = createSharing(root);
  const sharing = files.filter(mayShare);
  if (sharing.length <= GROUPS) return [...files];
  const groups = Array.from({ length: GROUPS }, (_, group) =>
    sharing.filter((_file, index) => index % GROUPS === group),
  );
  const written = groups.map((members, index) => {
    const path = join(directory, `together-${index + 1}.test.mjs`);
    writeFileSync(path, textOf(root, members));
    return path;
  });
  return [...written, ...files.filter((file) => !sharing.includes(file))];
}
