/**
 * Every room has what a reader expects of it, and src has only the five storeys.
 */
import { isTest, roomNames } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import type { Module, Tree } from '../tree.ts';

const STOREYS = new Set(['base', 'blocks', 'systems', 'server', 'drills', 'cli']);

interface Required {
  what: string;
  holds(paths: readonly string[]): boolean;
}

const has = (name: string): Required => ({ what: name, holds: (paths) => paths.includes(name) });

const TEST: Required = { what: 'a *.test.ts', holds: (paths) => paths.some((p) => p.endsWith('.test.ts')) };

const OF_A_BLOCK = [has('README.md'), has('index.ts'), TEST];

const OF_A_SYSTEM = [
  has('README.md'),
  has('index.ts'),
  has('api.ts'),
  has('routes.ts'),
  {
    what: 'store.ts or store/',
    holds: (paths) => paths.some((p) => p === 'store.ts' || p.startsWith('store/')),
  },
  has('options.ts'),
  has('errors.ts'),
  {
    what: 'migrations/0001_*.sql',
    holds: (paths) => paths.some((p) => /^migrations\/0001_[^/]+\.sql$/.test(p)),
  },
  TEST,
] satisfies Required[];

function missingFiles(tree: Tree, layer: 'blocks' | 'systems', required: readonly Required[]): Finding[] {
  const all = tree.files.map((file) => file.path);
  return roomNames(all, layer).flatMap((name) => {
    const room = `src/${layer}/${name}`;
    const paths = all
      .filter((path) => path.startsWith(`${room}/`))
      .map((path) => path.slice(room.length + 1));
    return required
      .filter(({ holds }) => !holds(paths))
      .map(({ what }) => ({ file: room, line: 1, message: `lacks ${what}` }));
  });
}

function isNamedReExport(statement: Module['program']['body'][number]): boolean {
  return statement.type === 'ExportNamedDeclaration' && statement.source !== null;
}

function blockIndexes(tree: Tree): Finding[] {
  return tree.modules
    .filter((module) => /^src\/blocks\/[^/]+\/index\.ts$/.test(module.path))
    .flatMap((module) =>
      module.program.body
        .filter((statement) => !isNamedReExport(statement))
        .map((statement) => ({
          file: module.path,
          line: module.lineAt(statement.start),
          message: 'a block index holds named re-exports only',
        })),
    );
}

function strays(tree: Tree): Finding[] {
  return tree.files.flatMap(({ path }) => {
    const [top, storey = '', ...rest] = path.split('/');
    if (top !== 'src' || rest.length === 0) return [];
    if (!STOREYS.has(storey)) return [{ file: path, line: 1, message: `src/${storey} is not a storey` }];
    const loose = (storey === 'blocks' || storey === 'systems') && rest.length === 1;
    return loose ? [{ file: path, line: 1, message: `is in none of the rooms of src/${storey}` }] : [];
  });
}

/** A test outside the storeys' reach of `npm test` would never run. */
function unrunTests(tree: Tree): Finding[] {
  return tree.modules
    .filter(({ path }) => isTest(path) && /\.(test|long)\.ts$/.test(path))
    .filter(({ path }) => !/^(src|tidy|bench|examples)\//.test(path))
    .map(({ path }) => ({ file: path, line: 1, message: 'a test that npm test does not run' }));
}

function find(tree: Tree): Finding[] {
  return [
    ...missingFiles(tree, 'blocks', OF_A_BLOCK),
    ...missingFiles(tree, 'systems', OF_A_SYSTEM),
    ...blockIndexes(tree),
    ...strays(tree),
    ...unrunTests(tree),
  ];
}

export const layout: Rule = { name: 'layout', find };
