/**
 * Every function that a block gives to others says what it means.
 */
import { posix } from 'node:path';
import type { Statement } from 'oxc-parser';
import type { Finding, Rule } from '../rule.ts';
import { nameOf } from '../syntax.ts';
import type { Module, Tree } from '../tree.ts';

interface Place {
  module: Module;
  statement: Statement;
}

/** Whether the statement is `export function name` or `export const name = (…) => …`. */
function exportsFunction(statement: Statement, name: string): boolean {
  if (statement.type !== 'ExportNamedDeclaration' || !statement.declaration) return false;
  const { declaration } = statement;
  if (declaration.type === 'FunctionDeclaration') return declaration.id?.name === name;
  if (declaration.type !== 'VariableDeclaration') return false;
  return declaration.declarations.some(
    ({ id, init }) =>
      nameOf(id) === name && /^(ArrowFunctionExpression|FunctionExpression)$/.test(init?.type ?? ''),
  );
}

/** Where the function `name` of a module is declared, through relative re-exports; undefined if it is none. */
function declarationOf(tree: Tree, module: Module, name: string): Place | undefined {
  for (const statement of module.program.body) {
    if (exportsFunction(statement, name)) return { module, statement };
    if (statement.type !== 'ExportNamedDeclaration' || !statement.source?.value.startsWith('.')) continue;
    const specifier = statement.specifiers.find(({ exported }) => nameOf(exported) === name);
    if (!specifier) continue;
    const path = posix.join(posix.dirname(module.path), statement.source.value);
    const from = tree.module(path);
    return from && from !== module ? declarationOf(tree, from, nameOf(specifier.local) ?? '') : undefined;
  }
  return undefined;
}

function isDocumented({ module, statement }: Place): boolean {
  return module.comments.some(
    ({ type, value, end }) =>
      type === 'Block' &&
      value.startsWith('*') &&
      end <= statement.start &&
      module.text.slice(end, statement.start).trim() === '',
  );
}

function find(tree: Tree): Finding[] {
  return tree.modules
    .filter(({ path }) => /^src\/blocks\/[^/]+\/index\.ts$/.test(path))
    .flatMap((index) =>
      index.program.body
        .flatMap((statement) => (statement.type === 'ExportNamedDeclaration' ? statement.specifiers : []))
        .flatMap(({ exported }) => {
          const name = nameOf(exported) ?? '';
          const place = declarationOf(tree, index, name);
          if (!place || isDocumented(place)) return [];
          const line = place.module.lineAt(place.statement.start);
          return [{ file: place.module.path, line, message: `${name} is public and has no docstring` }];
        }),
    );
}

export const docstrings: Rule = { name: 'docstrings', find };
