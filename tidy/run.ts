/**
 * The npm scripts of a developer: check, test, test:long and docs. The exit code tells whether all is well.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check } from './check.ts';
import { type Children, createChildren } from './children.ts';
import { readRepository } from './house.ts';
import { provideRedis } from './redis.ts';
import { makeReference, staleReferences } from './reference.ts';
import { runTests, selectTests } from './tests.ts';

const ROOT = join(import.meta.dirname, '..');

/** The rooms whose tests start a Redis. */
const NEEDS_REDIS = /^src\/(blocks\/(redis|cache|limiter)|drills)\//;

/** Resolves with an exit code. */
type Task = (args: readonly string[], children: Children) => Promise<number>;

function testTask(kind: 'test' | 'long'): Task {
  return async (args, children) => {
    const startedMs = Number(process.env.LOADSTONE_STARTED_AT_MS ?? Date.now());
    const selection = selectTests(ROOT, process.env.INIT_CWD ?? process.cwd(), kind, args);
    if (selection.unknown.length > 0 || selection.files.length === 0) {
      console.error(`no test matches ${selection.unknown.join(', ') || `*.${kind}.ts`}`);
      return 2;
    }
    const isChecked = kind === 'test' && !selection.isPartial;
    if (isChecked && !(await check(ROOT, children))) return 1;
    if (selection.files.some((file) => NEEDS_REDIS.test(file))) provideRedis();
    return runTests(ROOT, children, selection, { kind, startedMs });
  };
}

const docs: Task = async (args) => {
  const tree = readRepository(ROOT);
  const reference = await makeReference(ROOT, tree);
  if (!args.includes('--check')) {
    for (const [path, text] of reference.files) writeFileSync(join(ROOT, path), text);
  }
  const problems = staleReferences(args.includes('--check') ? tree : readRepository(ROOT), reference);
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
};

const TASKS: Record<string, Task> = {
  check: async (_, children) => ((await check(ROOT, children)) ? 0 : 1),
  test: testTask('test'),
  'test:long': testTask('long'),
  docs,
};

async function main([name = '', ...args]: readonly string[]): Promise<number> {
  const task = Object.hasOwn(TASKS, name) ? TASKS[name] : undefined;
  if (!task) {
    console.error(`unknown task "${name}"; known: ${Object.keys(TASKS).join(', ')}`);
    return 2;
  }
  const children = createChildren(ROOT);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => children.interrupt(signal));
  }
  return task(args, children);
}

process.exitCode = await main(process.argv.slice(2));
