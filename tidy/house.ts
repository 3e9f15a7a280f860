/**
 * The house rules. Those that need more than files (the generated references) are in reference.ts.
 */
import type { Rule } from './rule.ts';
import { access } from './rules/access.ts';
import { bans } from './rules/bans.ts';
import { circles } from './rules/circles.ts';
import { commands } from './rules/commands.ts';
import { dependencies } from './rules/dependencies.ts';
import { docstrings } from './rules/docstrings.ts';
import { imports } from './rules/imports.ts';
import { layout } from './rules/layout.ts';
import { leftovers } from './rules/leftovers.ts';
import { mentions } from './rules/mentions.ts';
import { migrations } from './rules/migrations.ts';
import { names } from './rules/names.ts';
import { portable } from './rules/portable.ts';
import { sizes } from './rules/sizes.ts';
import { sql } from './rules/sql.ts';
import { syntax } from './rules/syntax.ts';
import { readTree, type Tree } from './tree.ts';

export const houseRules: readonly Rule[] = [
  syntax,
  access,
  imports,
  circles,
  bans,
  sql,
  mentions,
  migrations,
  sizes,
  names,
  layout,
  docstrings,
  leftovers,
  commands,
  dependencies,
  portable,
];

/** The repository as the rules see it: without their own counter-examples. */
export function readRepository(root: string): Tree {
  return readTree(root, ['tidy/fixtures']);
}
