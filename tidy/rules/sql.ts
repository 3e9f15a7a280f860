/**
 * Columns are named, so that a migration that adds one changes no answer; and SQL is written by the `sql` tag,
 * because a string handed to a driver can carry an unparameterised value.
 */
import type { Finding, Rule } from '../rule.ts';
import { sqlTexts } from '../sql-text.ts';
import { walk } from '../syntax.ts';
import type { Tree } from '../tree.ts';

const DRIVER_ROOMS = ['src/blocks/database/', 'src/blocks/postgres/'];

/** A star that stands for columns, not for a count or a product. */
const STARS = [
  /\b(?:select|returning)\s+(?:all\s+|distinct\s+)?(?:(?<of>\w+)\.)?\*/gi,
  /,\s*(?:(?<of>\w+)\.)?\*(?=\s*(?:,|\)|`|;|\bfrom\b|$))/gi,
];

/** `name.*` of a common table expression is right: its columns are named where it is written. */
const EXPRESSION_NAME = /\b(\w+)\s+as\s+(?:not\s+)?(?:materialized\s+)?\(/gi;

function stars(tree: Tree): Finding[] {
  return sqlTexts(tree).flatMap(({ file, text, start }) => {
    const expressions = new Set([...text.matchAll(EXPRESSION_NAME)].map(([, name]) => name));
    return STARS.flatMap((star) => [...text.matchAll(star)])
      .filter((match) => !expressions.has(match.groups?.of))
      .map((match) => ({
        file: file.path,
        line: file.lineAt(start + match.index + match[0].length - 1),
        message: 'a * instead of columns: name them',
      }));
  });
}

function rawQueries(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const module of tree.modules) {
    if (!module.path.startsWith('src/') || DRIVER_ROOMS.some((room) => module.path.startsWith(room)))
      continue;
    walk(module.program, (node) => {
      if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return;
      const { property } = node.callee;
      if (property.type !== 'Identifier' || property.name !== 'query') return;
      const [query] = node.arguments;
      if (query?.type !== 'TemplateLiteral' && query?.type !== 'Literal') return;
      const message = '.query() with text: write it with the sql tag of #blocks/database';
      findings.push({ file: module.path, line: module.lineAt(query.start), message });
    });
  }
  return findings;
}

export const sql: Rule = { name: 'sql', find: (tree) => [...stars(tree), ...rawQueries(tree)] };
