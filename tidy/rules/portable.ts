/**
 * Nothing names the machine it was written on: no home directory, no package registry.
 */
import type { Finding, Rule } from '../rule.ts';
import type { SourceFile, Tree } from '../tree.ts';

const LOCK = 'package-lock.json';

const ANYWHERE = [
  {
    pattern: /(?<![\w./\\$}~*@%-])\/(?:work|home|root|Users|mnt|media)\/[\w.-]+/g,
    message: 'an absolute path of one machine',
  },
  { pattern: /\b[A-Z]:\\\\?Users\\/g, message: 'an absolute path of one machine' },
  {
    pattern: /https?:\/\/[^\s"'`/]*(?:registry|npmjs|verdaccio|artifactory)/gi,
    message: 'a registry address',
  },
];

function matches({ path, text, lineAt }: SourceFile, pattern: RegExp, message: string): Finding[] {
  return [...text.matchAll(pattern)].map((match) => ({
    file: path,
    line: lineAt(match.index),
    message: `${message}: ${match[0].trim()}`,
  }));
}

function find(tree: Tree): Finding[] {
  return tree.files.flatMap((file) => [
    ...ANYWHERE.flatMap(({ pattern, message }) => matches(file, pattern, message)),
    ...(file.path.endsWith(LOCK) ? matches(file, /"resolved"/g, 'the lock file names a registry') : []),
    ...(file.path.endsWith('.npmrc')
      ? matches(file, /^\s*(?:@[\w-]+:)?registry\s*=.*/gm, 'a registry setting')
      : []),
  ]);
}

export const portable: Rule = { name: 'portable', find };
