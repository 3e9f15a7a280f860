/**
 * `npm test` and `npm run test:long`: which files node's test runner runs, and how.
 */
import { randomInt } from 'node:crypto';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import type { Children } from './children.ts';
import { groupTests } from './groups.ts';
import { makeScratch } from './scratch.ts';

const PLACES = '{src,tidy,bench,examples}';

/** One test. All of them together have no limit: a busy machine takes as long as it takes. Silence has one (reporter.ts). */
const TEST_MS_MAX = 15 * 60_000;
const LONG_TEST_MS_MAX = 60 * 60_000;
/** After which a run in which nothing has ended is stuck: a test has been told to end long before. */
const SILENCE_GRACE_MS = 5 * 60_000;

/** Files at a time: one more than there are cores, since a file often waits for a Postgres or a process to start. */
const FILES_AT_ONCE_MAX = 4;

export interface Selection {
  files: string[];
  /** Flags for node's test runner. */
  flags: string[];
  /** Arguments that name no test. */
  unknown: string[];
  /** Whether the arguments named files. */
  isPartial: boolean;
}

function findTests(root: string, kind: 'test' | 'long'): string[] {
  const isLeftOut = (path: string) => /(^|[\\/])(node_modules|fixtures)$/.test(path);
  return globSync(`${PLACES}/**/*.${kind}.ts`, { cwd: root, exclude: isLeftOut }).sort();
}

/**
 * @param args files or directories, relative to `from`, and flags with their values (`--name=value`)
 */
export function selectTests(
  root: string,
  from: string,
  kind: 'test' | 'long',
  args: readonly string[],
): Selection {
  const flags = args.filter((arg) => arg.startsWith('-'));
  const places = args.filter((arg) => !arg.startsWith('-'));
  const ofKind = findTests(root, kind);
  if (places.length === 0) return { files: ofKind, flags, unknown: [], isPartial: false };
  const all = [...findTests(root, 'test'), ...findTests(root, 'long')];
  const matches = places.map((place) => {
    const path = relative(root, resolve(from, place));
    return all.includes(path)
      ? [path]
      : ofKind.filter((file) => path === '' || file.startsWith(join(path, '/')));
  });
  return {
    files: [...new Set(matches.flat())],
    flags,
    unknown: places.filter((_, index) => matches[index]?.length === 0),
    isPartial: true,
  };
}

export interface TestRun {
  kind: 'test' | 'long';
  startedMs: number;
}

/** Runs the files; the last lines on standard output are the runner's counts. Resolves with its exit code. */
export async function runTests(
  root: string,
  children: Children,
  { files, flags }: Selection,
  { kind, startedMs }: TestRun,
): Promise<number> {
  const isLong = kind === 'long';
  const atOnce = isLong ? 1 : Math.min(FILES_AT_ONCE_MAX, availableParallelism() + 1);
  const scratch = makeScratch();
  const args = [
    '--test',
    `--test-concurrency=${atOnce}`,
    `--test-timeout=${isLong ? LONG_TEST_MS_MAX : TEST_MS_MAX}`,
    `--test-reporter=${join(root, 'tidy', 'reporter.ts')}`,
    '--test-reporter-destination=stdout',
    ...flags,
    ...(isLong ? files : groupTests(root, scratch.own, files)),
  ];
  const testMsMax = isLong ? LONG_TEST_MS_MAX : TEST_MS_MAX;
  const env: Record<string, string> = {
    ...scratch.env,
    // Also where this process has one that its children would not inherit.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'loadstone'),
    LOADSTONE_TEST_STARTED_MS: String(startedMs),
    LOADSTONE_TEST_SILENCE_MS: String(testMsMax + SILENCE_GRACE_MS),
  };
  if (isLong) {
    env.LOADSTONE_SEED = process.env.LOADSTONE_SEED ?? String(randomInt(2 ** 31));
    console.log(`seed ${env.LOADSTONE_SEED} (the same again: LOADSTONE_SEED=${env.LOADSTONE_SEED})`);
  }
  try {
    const { code } = await children.stream(args, env);
    const left = scratch.look();
    for (const each of left) console.error(`the tests left behind: ${each}`);
    return left.length === 0 ? code : code || 1;
  } finally {
    scratch.remove();
  }
}
