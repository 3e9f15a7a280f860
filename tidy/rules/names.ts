/**
 * Files are named after the thing they hold, never after a role; and a thing has one word, which docs/words.md states
 * together with the synonyms that public names must not use.
 */
import type { BindingPattern, Declaration, Program } from 'oxc-parser';
import { tableRows } from '../markdown.ts';
import type { Finding, Rule } from '../rule.ts';
import { nameOf } from '../syntax.ts';
import type { Tree } from '../tree.ts';

const WORDS = 'docs/words.md';
const ROLE = /^(utils?|helpers?|managers?|services?|types|common|misc)\d*$/;

function roleNames(tree: Tree): Finding[] {
  return tree.files.flatMap((file) => {
    if (!file.path.startsWith('src/')) return [];
    const role = file.path.split(/[/._-]/).find((word) => ROLE.test(word.toLowerCase()));
    if (role === undefined) return [];
    return [{ file: file.path, line: 1, message: `"${role}" is a role: name the file after what it holds` }];
  });
}

interface Synonym {
  words: string[];
  preferred: string;
}

/** Rows of `| word | meaning | not |`; a remark in parentheses is not part of a synonym. */
function readSynonyms(text: string): Synonym[] {
  return tableRows(text).flatMap(({ cells: [word = '', , not = ''] }) =>
    word === 'word'
      ? []
      : not
          .replaceAll(/\([^)]*\)|[`*]/g, '')
          .split(',')
          .map((synonym) => ({ words: wordsOf(synonym.trim()), preferred: word.replaceAll(/[`*]/g, '') }))
          .filter(({ words }) => words.length > 0),
  );
}

/** `HTTPServer_id` is http, server, id. */
function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z\d])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}

function contains(name: readonly string[], { words }: Synonym): boolean {
  return name.some((_, at) =>
    words.every(
      (word, i) => name[at + i] === word || (i === words.length - 1 && name[at + i] === `${word}s`),
    ),
  );
}

interface Export {
  name: string;
  start: number;
}

function boundNames(pattern: BindingPattern): Export[] {
  switch (pattern.type) {
    case 'Identifier':
      return [{ name: pattern.name, start: pattern.start }];
    case 'ObjectPattern':
      return pattern.properties.flatMap((p) => boundNames(p.type === 'Property' ? p.value : p.argument));
    case 'ArrayPattern':
      return pattern.elements.flatMap((e) =>
        e ? boundNames(e.type === 'RestElement' ? e.argument : e) : [],
      );
    default:
      return boundNames(pattern.left);
  }
}

function declaredNames(declaration: Declaration): Export[] {
  if (declaration.type === 'VariableDeclaration') {
    return declaration.declarations.flatMap(({ id }) => boundNames(id));
  }
  if (!('id' in declaration) || !declaration.id) return [];
  const name = nameOf(declaration.id);
  return name === undefined ? [] : [{ name, start: declaration.id.start }];
}

/** The names that a program gives to others, except those passed on as they came. */
function exportedNames(program: Program): Export[] {
  return program.body.flatMap((statement) => {
    if (statement.type !== 'ExportNamedDeclaration') return [];
    const renamed = statement.specifiers
      .filter(({ local, exported }) => nameOf(local) !== nameOf(exported))
      .map(({ exported }) => ({ name: nameOf(exported) ?? '', start: exported.start }));
    return [...renamed, ...(statement.declaration ? declaredNames(statement.declaration) : [])];
  });
}

function synonyms(tree: Tree): Finding[] {
  const words = tree.file(WORDS);
  if (!words) return [{ file: WORDS, line: 1, message: 'is missing' }];
  const rejected = readSynonyms(words.text);
  return tree.modules
    .filter((module) => module.path.startsWith('src/'))
    .flatMap((module) =>
      exportedNames(module.program).flatMap(({ name, start }) => {
        const hit = rejected.find((synonym) => contains(wordsOf(name), synonym));
        if (!hit) return [];
        const message = `${name}: the word is "${hit.preferred}", not "${hit.words.join(' ')}"`;
        return [{ file: module.path, line: module.lineAt(start), message }];
      }),
    );
}

export const names: Rule = { name: 'names', find: (tree) => [...roleNames(tree), ...synonyms(tree)] };
