/**
 * A file fits in a head and a function on a screen. The bodies of functions inside a function count for themselves,
 * so a factory is as long as what it holds besides them. A function in SQL counts as its last migration leaves it.
 */
import { posix } from 'node:path';
import type { ArrowFunctionExpression, Function as ESTreeFunction, Node } from 'oxc-parser';
import { isTest } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { nameOf, rootName, walk } from '../syntax.ts';
import type { Module, Tree } from '../tree.ts';

const FILE_LINES_MAX = 400;
const TEST_FILE_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;
/** A shorter body is part of the function around it. */
const BODY_LINES_MIN = 4;
/** On one level: what a reader takes in at a look. */
const FOLDER_FILES_MAX = 30;
/** Results are kept, not read one after the other. */
const COLLECTIONS = /^(bench\/results|docs\/decisions)$/;

const CODE = /\.(ts|tsx|mts|js|mjs|sql|css|html|sh)$/;
const TEST_CALLS = new Set([
  'after',
  'afterEach',
  'before',
  'beforeEach',
  'describe',
  'it',
  'suite',
  't',
  'test',
]);

type FunctionNode = ESTreeFunction | ArrowFunctionExpression;

function isFunction(node: Node): node is FunctionNode {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

function nameOfFunction(node: FunctionNode, parent: Node | undefined): string {
  if (node.id) return node.id.name;
  if (parent?.type === 'VariableDeclarator' && parent.id.type === 'Identifier') return parent.id.name;
  if (parent?.type === 'Property' || parent?.type === 'MethodDefinition')
    return nameOf(parent.key) ?? 'method';
  return 'function';
}

function isTestCallback(parent: Node | undefined): boolean {
  return parent?.type === 'CallExpression' && TEST_CALLS.has(rootName(parent.callee) ?? '');
}

function longFunctions(module: Module): Finding[] {
  const findings: Finding[] = [];
  const linesOf = (node: { start: number; end: number }) =>
    module.lineAt(node.end - 1) - module.lineAt(node.start) + 1;
  const nestedLines = new Map<Node, number>();
  const functions: { node: FunctionNode; parent: Node | undefined }[] = [];

  walk(module.program, (node, parents) => {
    if (!isFunction(node)) return;
    functions.push({ node, parent: parents.at(-1) });
    const outer = parents.findLast(isFunction);
    const bodyLines = node.body ? linesOf(node.body) : 0;
    if (!outer || bodyLines < BODY_LINES_MIN) return;
    // The line of its opening brace belongs to the outer function.
    nestedLines.set(outer, (nestedLines.get(outer) ?? 0) + bodyLines - 1);
  });

  for (const { node, parent } of functions) {
    if (isTest(module.path) && isTestCallback(parent)) continue;
    const lines = linesOf(node) - (nestedLines.get(node) ?? 0);
    if (lines <= FUNCTION_LINES_MAX) continue;
    const message = `${nameOfFunction(node, parent)} has ${lines} lines of its own; at most ${FUNCTION_LINES_MAX}`;
    findings.push({ file: module.path, line: module.lineAt(node.start), message });
  }
  return findings;
}

/** From its name to the quotes that end its body. */
const SQL_FUNCTION = /^create (?:or replace )?function\s+([\w.]+).*?\bas\s+(\$\w*\$).*?\2;?/gims;

/** What an earlier migration says of a function that a later one replaces counts no more, nor does what one drops. */
function longSqlFunctions(tree: Tree): Finding[] {
  const files = tree.files.filter(({ path }) => path.startsWith('src/') && path.endsWith('.sql'));
  const last = new Map<string, Finding & { lines: number }>();
  for (const file of files) {
    const room = posix.dirname(file.path);
    for (const [, name] of file.text.matchAll(/^drop function (?:if exists )?([\w.]+)/gim))
      last.delete(`${room} ${name}`);
    for (const { 0: text, 1: name = '', index } of file.text.matchAll(SQL_FUNCTION)) {
      const lines = text.split('\n').length;
      const message = `${name} has ${lines} lines; at most ${FUNCTION_LINES_MAX}`;
      last.set(`${room} ${name}`, { file: file.path, line: file.lineAt(index), message, lines });
    }
  }
  return [...last.values()]
    .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
    .map(({ file, line, message }) => ({ file, line, message }));
}

function fullFolders(tree: Tree): Finding[] {
  const folders = Map.groupBy(tree.files, ({ path }) => posix.dirname(path));
  return [...folders]
    .filter(([folder, files]) => files.length > FOLDER_FILES_MAX && !COLLECTIONS.test(folder))
    .map(([folder, files]) => ({
      file: folder,
      line: 1,
      message: `has ${files.length} files on one level; allowed is ${FOLDER_FILES_MAX}: make rooms in it`,
    }));
}

function find(tree: Tree): Finding[] {
  const longFiles = tree.files
    .filter((file) => CODE.test(file.path))
    .map((file) => ({ file, max: isTest(file.path) ? TEST_FILE_LINES_MAX : FILE_LINES_MAX }))
    .filter(({ file, max }) => file.lineCount > max)
    .map(({ file, max }) => ({
      file: file.path,
      line: max + 1,
      message: `${file.lineCount} lines; at most ${max}`,
    }));
  return [
    ...longFiles,
    ...fullFolders(tree),
    ...tree.modules.flatMap(longFunctions),
    ...longSqlFunctions(tree),
  ];
}

export const sizes: Rule = { name: 'sizes', find };
