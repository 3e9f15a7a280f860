/**
 * The files that the rules read: the text files of a directory that git would keep, parsed on first use.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Comment, type Program, parseSync } from 'oxc-parser';

export interface SourceFile {
  /** Relative to the root of the tree, with `/`. */
  path: string;
  text: string;
  lineCount: number;
  /** The line, from 1, that an offset into the text is on. */
  lineAt(offset: number): number;
}

/** A JavaScript or TypeScript file. */
export interface Module extends SourceFile {
  readonly program: Program;
  readonly comments: readonly Comment[];
  readonly syntaxErrors: readonly string[];
}

export interface Tree {
  /** Text files, sorted by path. */
  files: readonly SourceFile[];
  modules: readonly Module[];
  file(path: string): SourceFile | undefined;
  module(path: string): Module | undefined;
  /** Whether a file, text or not, or a directory has this path. */
  has(path: string): boolean;
}

const MODULE = /\.(ts|tsx|mts|js|mjs)$/;
const NEVER_KEPT = new Set(['.git', 'node_modules']);

/** Understands the three forms that our .gitignore uses: `name/`, `*.suffix` and `/file`. */
function ignoredBy(gitignore: string): (path: string, isDirectory: boolean) => boolean {
  const lines = gitignore.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return (path, isDirectory) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return lines.some((line) => {
      if (line.endsWith('/')) return isDirectory && name === line.slice(0, -1);
      if (line.startsWith('*')) return name.endsWith(line.slice(1));
      return path === line.replace(/^\//, '');
    });
  };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/**
 * @param exclude directories left out, relative to `root`
 */
export function readTree(root: string, exclude: readonly string[] = []): Tree {
  const ignored = ignoredBy(readIfThere(join(root, '.gitignore')));
  const paths = new Set<string>();
  const files: SourceFile[] = [];

  function visit(directory: string): void {
    for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (NEVER_KEPT.has(entry.name) || exclude.includes(path) || ignored(path, entry.isDirectory()))
        continue;
      if (entry.isDirectory()) visit(path);
      else if (!entry.isFile()) continue;
      else {
        const bytes = readFileSync(join(root, path));
        if (!bytes.includes(0)) files.push(createFile(path, bytes.toString('utf8')));
      }
      paths.add(path);
    }
  }

  visit('');
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const byPath = new Map(files.map((file) => [file.path, file]));
  return {
    files,
    modules: files.filter(isModule),
    file: (path) => byPath.get(path),
    module(path) {
      const file = byPath.get(path);
      return file && isModule(file) ? file : undefined;
    },
    has: (path) => paths.has(path),
  };
}

function isModule(file: SourceFile): file is Module {
  return 'program' in file;
}

function createFile(path: string, text: string): SourceFile | Module {
  const lineStarts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lineStarts.push(at + 1);
  const file: SourceFile = {
    path,
    text,
    lineCount: text.endsWith('\n') || text === '' ? lineStarts.length - 1 : lineStarts.length,
    lineAt(offset) {
      const next = lineStarts.findIndex((start) => start > offset);
      return next === -1 ? lineStarts.length : next;
    },
  };
  return MODULE.test(path) ? withSyntax(file) : file;
}

function withSyntax(file: SourceFile): Module {
  let parsed: { program: Program; comments: Comment[]; syntaxErrors: string[] } | undefined;
  const parse = () => {
    if (parsed) return parsed;
    const result = parseSync(file.path, file.text, { preserveParens: false });
    const syntaxErrors = result.errors.map((error) => error.message);
    parsed = { program: result.program, comments: result.comments, syntaxErrors };
    return parsed;
  };
  return {
    ...file,
    get program() {
      return parse().program;
    },
    get comments() {
      return parse().comments;
    },
    get syntaxErrors() {
      return parse().syntaxErrors;
    },
  };
}
