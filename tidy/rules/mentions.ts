/**
 * A system is one directory. Where its word stands outside of it is listed in tidy/mentions.ts with a reason, so that no
 * knowledge of a system gathers in other rooms.
 */
import type { ObjectProperty } from 'oxc-parser';
import { isTest, roomNames, roomOf } from '../rooms.ts';
import type { Finding, Rule } from '../rule.ts';
import { nameOf, stringValue, walk } from '../syntax.ts';
import type { Module, SourceFile, Tree } from '../tree.ts';

const LIST = 'tidy/mentions.ts';

interface Listed {
  system: string;
  word: string;
  line: number;
  /** By file, or by directory of tests: the line that lists it. */
  files: Map<string, number>;
}

const propertiesOf = (node: { properties: readonly unknown[] }) =>
  (node.properties as ObjectProperty[]).filter(({ type }) => type === 'Property');

/** Read from the syntax tree, so that the rule needs nothing but files. */
function readList(module: Module): Listed[] {
  const found: Listed[] = [];
  walk(module.program, (node) => {
    if (node.type !== 'ObjectExpression') return;
    const byName = new Map(
      propertiesOf(node).map(({ key, value }) => [nameOf(key) ?? stringValue(key), value]),
    );
    const [system, word, files] = ['system', 'word', 'files'].map((name) => byName.get(name));
    if (!system || !word || files?.type !== 'ObjectExpression') return;
    const paths = propertiesOf(files).map(
      ({ key }) => [stringValue(key) ?? '', module.lineAt(key.start)] as const,
    );
    const texts = { system: stringValue(system) ?? '', word: stringValue(word) ?? '' };
    found.push({ ...texts, line: module.lineAt(node.start), files: new Map(paths) });
  });
  return found;
}

/** What of the list allows a file to mention it. */
function entryFor({ path }: SourceFile, { files }: Listed): string | undefined {
  if (files.has(path)) return path;
  return isTest(path)
    ? [...files.keys()].find((each) => each.endsWith('/') && path.startsWith(each))
    : undefined;
}

function findingsOf(tree: Tree, listed: Listed): Finding[] {
  const word = new RegExp(listed.word, 'i');
  const used = new Set<string>();
  const findings: Finding[] = [];
  for (const file of tree.files) {
    const isOwn = roomOf(file.path)?.path === `src/systems/${listed.system}`;
    const at = isOwn || !file.path.startsWith('src/') ? -1 : file.text.search(word);
    if (at === -1) continue;
    const entry = entryFor(file, listed);
    if (entry !== undefined) used.add(entry);
    else {
      const message = `"${listed.word}" is a word of the system ${listed.system}, and ${LIST} gives no reason for it here`;
      findings.push({ file: file.path, line: file.lineAt(at), message });
    }
  }
  for (const [path, line] of listed.files) {
    if (used.has(path)) continue;
    findings.push({ file: LIST, line, message: `${path} does not mention ${listed.system}` });
  }
  return findings;
}

function find(tree: Tree): Finding[] {
  const module = tree.module(LIST);
  if (!module) return [];
  const list = readList(module);
  const missing = roomNames(
    tree.files.map(({ path }) => path),
    'systems',
  ).filter((name) => !list.some(({ system }) => system === name));
  return [
    ...missing.map((name) => ({ file: LIST, line: 1, message: `the system ${name} has no entry` })),
    ...list.flatMap((listed) => findingsOf(tree, listed)),
  ];
}

export const mentions: Rule = { name: 'mentions', find };
