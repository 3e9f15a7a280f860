/**
 * Every dependency has a line that says what it is for, and the product imports only what its users will have.
 */
import { tableRows } from '../markdown.ts';
import { isTest } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { importsOf } from '../syntax.ts';
import type { Tree } from '../tree.ts';

const REASONS = 'docs/decisions/dependencies.md';

interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

function namesIn(...groups: (Record<string, string> | undefined)[]): string[] {
  return groups.flatMap((group) => Object.keys(group ?? {}));
}

function undocumented(tree: Tree, declared: readonly string[]): Finding[] {
  const lines = tableRows(tree.file(REASONS)?.text ?? '').flatMap(({ cells: [first = ''], line }) =>
    first.startsWith('`') ? [...first.matchAll(/`([^`]+)`/g)].map(([, name = '']) => ({ name, line })) : [],
  );
  const without = declared
    .filter((name) => !lines.some((line) => line.name === name))
    .map((name) => ({ file: REASONS, line: 1, message: `has no line for ${name}` }));
  const stale = lines
    .filter(({ name }) => !declared.includes(name))
    .map(({ name, line }) => ({ file: REASONS, line, message: `${name} is not in package.json` }));
  return [...without, ...stale];
}

/** `a` for `a/b`, `@a/b` for `@a/b/c`; undefined for what is not a package. */
function packageOf(specifier: string): string | undefined {
  if (/^(\.|#|\/|[a-z]+:)/.test(specifier)) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function undeclared(tree: Tree, manifest: Manifest): Finding[] {
  const ofUsers = namesIn(manifest.dependencies, manifest.optionalDependencies);
  const ofDevelopers = [...ofUsers, ...namesIn(manifest.devDependencies), 'loadstone'];
  return tree.modules.flatMap((module) => {
    const isProduct = module.path.startsWith('src/') && !isTest(module.path);
    const allowed = isProduct ? ofUsers : ofDevelopers;
    return importsOf(module.program).flatMap(({ specifier, start }) => {
      const name = packageOf(specifier);
      if (name === undefined || allowed.includes(name)) return [];
      const kind = isProduct ? 'dependencies' : 'dependencies or devDependencies';
      const message = `${name} is not in the ${kind} of package.json`;
      return [{ file: module.path, line: module.lineAt(start), message }];
    });
  });
}

function find(tree: Tree): Finding[] {
  const manifest = JSON.parse(tree.file('package.json')?.text ?? '{}') as Manifest;
  const declared = namesIn(manifest.dependencies, manifest.devDependencies, manifest.optionalDependencies);
  return [...undocumented(tree, declared), ...undeclared(tree, manifest)];
}

export const dependencies: Rule = { name: 'dependencies', find };
