/**
 * Every route says who may ask. The types demand it, and a server refuses at its start what has come without; this finds it
 * before either runs, in what is written down: `access` stands in the shape itself, or comes with what is spread into it.
 */
import type { Finding, Rule } from '../rule.ts';
import { nameOf, walk } from '../syntax.ts';
import type { Tree } from '../tree.ts';

const DECLARES = new Set(['defineRoute', 'defineRaw']);

function find(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const module of tree.modules) {
    walk(module.program, (node) => {
      if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier') return;
      const [shape] = node.arguments;
      if (!DECLARES.has(node.callee.name) || shape?.type !== 'ObjectExpression') return;
      const says = shape.properties.some(
        (each) => each.type === 'SpreadElement' || nameOf(each.key) === 'access',
      );
      if (says) return;
      const message = 'a route without access: say "public", or the permission that it needs';
      findings.push({ file: module.path, line: module.lineAt(shape.start), message });
    });
  }
  return findings;
}

export const access: Rule = { name: 'access', find };
