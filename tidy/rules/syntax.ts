/**
 * What cannot be parsed, no rule can read.
 */
import type { Rule } from '../rule.ts';

export const syntax: Rule = {
  name: 'syntax',
  find: (tree) =>
    tree.modules.flatMap((module) =>
      module.syntaxErrors.map((message) => ({ file: module.path, line: 1, message })),
    ),
};
