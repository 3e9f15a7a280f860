/**
 * Nothing is left for later in the code, and a test that does not run says why.
 */
import type { CallExpression, Expression, Node } from 'oxc-parser';
import { isTest } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { nameOf, rootName, stringValue, walk } from '../syntax.ts';
import type { Module, Tree } from '../tree.ts';

const CODE = /\.(ts|tsx|mts|js|mjs|sql|css|html|sh|ya?ml|tf)$/;
/** The brackets keep this file from finding itself. */
const NOTE = /\b(?:T[O]DO|F[I]XME|X[X]X)\b/g;
const TEST_CALLS = new Set(['describe', 'it', 'suite', 't', 'test']);

function notes(tree: Tree): Finding[] {
  return tree.files
    .filter((file) => CODE.test(file.path))
    .flatMap((file) =>
      [...file.text.matchAll(NOTE)].map((match) => ({
        file: file.path,
        line: file.lineAt(match.index),
        message: `${match[0]}: do it now or open an issue`,
      })),
    );
}

function holdsText(node: Node): boolean {
  let found = false;
  walk(node, (inner) => {
    found ||= inner.type === 'TemplateLiteral' || (stringValue(inner) ?? '').trim() !== '';
  });
  return found;
}

/** Whether an expression gives a reason where it skips; a constant of the same file is looked up. */
function givesReason(module: Module, value: Expression): boolean {
  if (value.type === 'Literal' && value.value === false) return true;
  if (value.type !== 'Identifier') return holdsText(value);
  let found = value.name === 'undefined';
  walk(module.program, (node) => {
    const declares = node.type === 'VariableDeclarator' && node.id.type === 'Identifier' && node.init;
    if (declares && nameOf(node.id) === value.name && node.init) found ||= holdsText(node.init);
  });
  return found;
}

function problemsOfCall(module: Module, call: CallExpression): string[] {
  const { callee } = call;
  if (!TEST_CALLS.has(rootName(callee) ?? '')) return [];
  const problems: string[] = [];
  const method = callee.type === 'MemberExpression' ? nameOf(callee.property) : undefined;
  if (method === 'only') problems.push('.only( keeps the other tests from running');
  if (method === 'skip' && rootName(callee) !== 't') problems.push("skip by {skip: 'reason'}");
  if (method === 'skip' && rootName(callee) === 't' && !call.arguments.some(holdsText)) {
    problems.push('t.skip() without a reason');
  }
  for (const argument of call.arguments) {
    if (argument.type !== 'ObjectExpression') continue;
    for (const property of argument.properties) {
      if (property.type !== 'Property') continue;
      const key = nameOf(property.key);
      if (key === 'only') problems.push('{only} keeps the other tests from running');
      if (key === 'skip' && !givesReason(module, property.value)) problems.push('skip without a reason');
    }
  }
  return problems;
}

function find(tree: Tree): Finding[] {
  const findings = notes(tree);
  for (const module of tree.modules) {
    if (!isTest(module.path)) continue;
    walk(module.program, (node) => {
      if (node.type !== 'CallExpression') return;
      const line = module.lineAt(node.callee.end - 1);
      for (const message of problemsOfCall(module, node)) findings.push({ file: module.path, line, message });
    });
  }
  return findings;
}

export const leftovers: Rule = { name: 'leftovers', find };
