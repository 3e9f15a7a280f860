/**
 * What the documents tell a reader to run exists, and every link between them leads somewhere.
 */
import { posix } from 'node:path';
import { anchors, links } from '../markdown.ts';
import type { Finding, Rule } from '../rule.ts';
import type { SourceFile, Tree } from '../tree.ts';

const WITH_COMMANDS = /^(README|CONTRIBUTING|ARCHITECTURE)\.md$|^src\/.*\/README\.md$/;
const COMMAND = /\bnpm (?:(?:run|run-script) (?<script>[\w:.-]+)|(?<short>start|test|stop|restart)\b)/g;

function scriptsOf(tree: Tree): Set<string> {
  const { scripts = {} } = JSON.parse(tree.file('package.json')?.text ?? '{}') as {
    scripts?: Record<string, string>;
  };
  return new Set(Object.keys(scripts));
}

function missingScripts(tree: Tree): Finding[] {
  const scripts = scriptsOf(tree);
  return tree.files
    .filter((file) => WITH_COMMANDS.test(file.path))
    .flatMap((file) =>
      [...file.text.matchAll(COMMAND)].flatMap((match) => {
        const script = (match.groups?.script ?? match.groups?.short ?? '').replace(/[.:-]+$/, '');
        if (scripts.has(script)) return [];
        const message = `"${match[0]}": package.json has no script "${script}"`;
        return [{ file: file.path, line: file.lineAt(match.index), message }];
      }),
    );
}

function leadsNowhere(tree: Tree, file: SourceFile, target: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  const to = path === '' ? file.path : posix.join(posix.dirname(file.path), decodeURI(path));
  const directory = to.replace(/\/$/, '');
  if (directory !== '.' && !tree.has(directory)) return `"${target}" leads to nothing: ${to}`;
  const document = to.endsWith('.md') ? tree.file(to) : undefined;
  if (anchor && document && !anchors(document.text).has(anchor))
    return `"${target}": ${to} has no such heading`;
  return undefined;
}

function deadLinks(tree: Tree): Finding[] {
  return tree.files
    .filter((file) => file.path.endsWith('.md'))
    .flatMap((file) =>
      links(file.text).flatMap(({ target, offset }) => {
        const message = leadsNowhere(tree, file, target);
        return message === undefined ? [] : [{ file: file.path, line: file.lineAt(offset), message }];
      }),
    );
}

export const commands: Rule = {
  name: 'commands',
  find: (tree) => [...missingScripts(tree), ...deadLinks(tree)],
};
