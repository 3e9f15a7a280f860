/**
 * Loading the module of a system from elsewhere, and saying what is wrong with it so that its author can find it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeError } from '#base/errors';

const PACKAGE_NAME = 'loadstone';

/** Those last loaded, the newest at the end: what cannot be compiled is one of them. */
const loaded: string[] = [];
const LOADED_MAX = 20;
const CHECK_TIMEOUT_MS = 5000;

let isHooked = false;

const isPackaged = (path: string) => path.includes('/node_modules/');

/** Whether the nearest package.json says what `.js` and `.ts` are. One that cannot be read is Node's to complain of. */
function isTyped(file: string): boolean {
  const directory = dirname(file);
  const manifest = join(directory, 'package.json');
  if (existsSync(manifest)) return /"type"\s*:/.test(readFileSync(manifest, 'utf8'));
  return directory !== dirname(directory) && isTyped(directory);
}

/**
 * The form of a system's own file that no package.json tells of. Node would find it out by compiling it twice, and warn of
 * that on every start. CommonJS stays as it is.
 */
function formatOf(url: string): string | undefined {
  const extension = extname(url);
  if (!url.startsWith('file:') || isPackaged(url) || !['.ts', '.js'].includes(extension)) return undefined;
  const file = fileURLToPath(url);
  if (!existsSync(file) || isTyped(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  const isModule = /^\s*(?:import|export)\b/m.test(text) && !/\bmodule\.exports\b|\brequire\(/.test(text);
  if (!isModule) return undefined;
  return extension === '.ts' ? 'module-typescript' : 'module';
}

/**
 * The running copy of what the package exports, by what is imported: `loadstone`, `loadstone/queue`, … The manifest names the
 * compiled files; in a checkout their sources run.
 */
function runningCopies(): ReadonlyMap<string, string> {
  const manifest = new URL('../../../package.json', import.meta.url);
  const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as {
    exports: Record<string, string | { default: string }>;
  };
  const isSource = import.meta.url.endsWith('.ts');
  const copies = new Map<string, string>();
  for (const [name, target] of Object.entries(exports)) {
    if (typeof target === 'string') continue;
    const file = isSource
      ? target.default.replace(/^\.\/dist\//, './src/').replace(/\.js$/, '.ts')
      : target.default;
    copies.set(`${PACKAGE_NAME}${name.slice(1)}`, new URL(file, manifest).href);
  }
  return copies;
}

/**
 * A system from elsewhere imports `loadstone`, or a block of it (`loadstone/queue`): it gets the running copy, whatever is or
 * is not installed beside it, so that there is one of everything in the process.
 */
function hook(): void {
  if (isHooked) return;
  isHooked = true;
  const copies = runningCopies();
  registerHooks({
    resolve(specifier, context, next) {
      const copy = copies.get(specifier);
      if (copy !== undefined) return { url: copy, shortCircuit: true };
      if (specifier.startsWith(`${PACKAGE_NAME}/`) && !specifier.endsWith('/package.json'))
        throw new Error(`${specifier} is not there; there are ${[...copies.keys()].join(', ')}`);
      const found = next(specifier, context);
      const format = found.format == null ? formatOf(found.url) : undefined;
      return format === undefined ? found : { ...found, format };
    },
    load(url, context, next) {
      if (url.startsWith('file:')) loaded.push(fileURLToPath(url));
      if (loaded.length > LOADED_MAX) loaded.shift();
      return next(url, context);
    },
  });
}

/** The location that Node has put above a stack: `/path/file.ts:2`, or the same as a URL. */
function locationAbove(text: string | undefined): string | undefined {
  const [, path, line] = /^(?:file:\/\/)?(\/[^\n]*):(\d+)\n/.exec(text ?? '') ?? [];
  return path === undefined ? undefined : `${relative(process.cwd(), path) || path}:${line}`;
}

/** For JavaScript Node keeps the place to itself, but tells it on the command line. Nothing is run by that. */
function locationByChecking(): string | undefined {
  for (const file of loaded.toReversed().filter((path) => /\.[cm]?js$/.test(path))) {
    const { status, stderr } = spawnSync(process.execPath, ['--check', file], {
      encoding: 'utf8',
      timeout: CHECK_TIMEOUT_MS,
      env: {},
    });
    const location = status === 0 ? undefined : locationAbove(stderr);
    if (location !== undefined) return location;
  }
  return undefined;
}

/** Where a module has thrown: the first line of its stack that is in a file of nobody's package. */
function locationThrown(stack = ''): string | undefined {
  const [, path, line] =
    /^ +at .*?(?:file:\/\/)?(\/(?!.*\/node_modules\/)[^():\n]+):(\d+):\d+\)?$/m.exec(stack) ?? [];
  return path === undefined ? undefined : `${relative(process.cwd(), path) || path}:${line}`;
}

/** What is wrong, with file and line where they can be found. */
function explain(cause: unknown): string {
  const code = (cause as { code?: unknown }).code;
  if (code === 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING') {
    return 'it is TypeScript under node_modules, where Node strips no types: compile it, or copy it to a directory of your own';
  }
  const what = describeError(cause);
  if (!(cause instanceof Error)) return what;
  const isSyntax = cause instanceof SyntaxError;
  const location =
    locationAbove(cause.stack) ??
    (isSyntax ? locationByChecking() : undefined) ??
    locationThrown(cause.stack);
  return location === undefined ? what : `${location}: ${what}`;
}

/** @throws an Error whose message says what is wrong, and where */
export async function importSystem(file: string): Promise<{ default?: unknown }> {
  hook();
  loaded.length = 0;
  try {
    return (await import(pathToFileURL(file).href)) as { default?: unknown };
  } catch (cause) {
    throw new Error(explain(cause), { cause });
  }
}
