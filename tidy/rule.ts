/**
 * A house rule is a pure function from the files to what is wrong with them.
 */
import type { Tree } from './tree.ts';

export interface Finding {
  file: string;
  /** From 1; 1 also where the whole file, or its absence, is meant. */
  line: number;
  message: string;
}

export interface Rule {
  name: string;
  find(tree: Tree): Finding[];
}

/** Every finding of every rule as `file:line message (rule)`, sorted, each once. */
export function report(rules: readonly Rule[], tree: Tree): string[] {
  const findings = rules.flatMap((rule) =>
    rule.find(tree).map((finding) => ({ ...finding, rule: rule.name })),
  );
  findings.sort((a, b) => a.file.localeCompare(b.file, 'en') || a.line - b.line);
  return [...new Set(findings.map((f) => `${f.file}:${f.line} ${f.message} (${f.rule})`))];
}
