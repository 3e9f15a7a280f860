/**
 * Where SQL is written: the templates of the `sql` tag, and migration files.
 */
import { walk } from './syntax.ts';
import type { SourceFile, Tree } from './tree.ts';

export interface SqlText {
  file: SourceFile;
  /** The text without its comments; a substitution is a `$`. Offsets are those of the file. */
  text: string;
  start: number;
}

/** Blanks comments out, so that offsets stay. */
function withoutComments(text: string): string {
  return text.replaceAll(/--[^\n]*|\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ' '));
}

export function sqlTexts(tree: Tree): SqlText[] {
  const found: SqlText[] = tree.files
    .filter((file) => file.path.endsWith('.sql'))
    .map((file) => ({ file, text: withoutComments(file.text), start: 0 }));
  for (const module of tree.modules) {
    walk(module.program, (node) => {
      if (node.type !== 'TaggedTemplateExpression' || node.tag.type !== 'Identifier') return;
      if (node.tag.name !== 'sql') return;
      const { start, end, expressions } = node.quasi;
      let text = module.text.slice(start, end);
      for (const expression of expressions) {
        const from = expression.start - start;
        const length = expression.end - expression.start;
        text = `${text.slice(0, from)}${'$'.padEnd(length)}${text.slice(from + length)}`;
      }
      found.push({ file: module, text: withoutComments(text), start });
    });
  }
  return found;
}
