import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createChildren } from './children.ts';
import { groupTests } from './groups.ts';
import { makeScratch } from './scratch.ts';
import { selectTests } from './tests.ts';

const root = mkdtempSync(join(tmpdir(), 'loadstone-tests-'));
after(() => rmSync(root, { recursive: true }));

function write(path: string, text = ''): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
}

for (const path of ['src/a/a.test.ts', 'src/a/a.long.ts', 'src/a/a.ts', 'bench/b.test.ts']) write(path);
for (const path of ['tidy/fixtures/x/c.test.ts', 'examples/node_modules/d.test.ts', 'docs/e.test.ts'])
  write(path);

describe('which tests run', () => {
  test('without arguments, all of the kind', () => {
    assert.deepEqual(selectTests(root, root, 'test', ['--test-only']), {
      files: ['bench/b.test.ts', 'src/a/a.test.ts'],
      flags: ['--test-only'],
      unknown: [],
      isPartial: false,
    });
    assert.deepEqual(selectTests(root, root, 'long', []).files, ['src/a/a.long.ts']);
  });

  test('files of either kind, and the tests of a directory, from where the caller is', () => {
    assert.deepEqual(selectTests(root, join(root, 'src'), 'test', ['a', '../src/a/a.long.ts']), {
      files: ['src/a/a.test.ts', 'src/a/a.long.ts'],
      flags: [],
      unknown: [],
      isPartial: true,
    });
    assert.deepEqual(selectTests(root, root, 'test', ['src/a/a.ts', 'bench']).unknown, ['src/a/a.ts']);
  });
});

test('the reporter ends with the plain counts, after the failures and what was left out', () => {
  write(
    'src/one.test.ts',
    "import { test } from 'node:test';\ntest('good', () => {});\ntest('bad', () => { throw new Error('why'); });\n" +
      "test('one', { skip: 'no engine' }, () => {});\ntest('two', { skip: 'no engine' }, () => {});\n",
  );
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const reporter = join(import.meta.dirname, 'reporter.ts');
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--test', `--test-reporter=${reporter}`, '--test-reporter-destination=stdout', 'src/one.test.ts'],
    { cwd: root, encoding: 'utf8', env: { ...env, LOADSTONE_TEST_STARTED_MS: '1' } },
  );
  assert.equal(status, 1);
  assert.match(stdout, /bad[\s\S]*failing tests[\s\S]*why/);
  assert.match(
    stdout,
    /\nSKIPPED 2: no engine\n# elapsed [\d.]+ s\n# tests 4\n# suites 0\n# pass 1\n# fail 1\n# cancelled 0\n# skipped 2\n# todo 0\n# duration_ms [\d.]+\n$/,
  );
});

test('a run that goes silent is ended, and says which file has not ended', () => {
  write('src/quick.test.ts', "import { test } from 'node:test';\ntest('quick', () => {});\n");
  write('src/hangs.test.ts', 'setInterval(() => {}, 1000);\nawait new Promise(() => {});\n');
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const reporter = join(import.meta.dirname, 'reporter.ts');
  const { status, signal, stderr } = spawnSync(
    process.execPath,
    [
      ...['--test', '--test-concurrency=2', `--test-reporter=${reporter}`],
      ...['--test-reporter-destination=stdout', 'src/hangs.test.ts', 'src/quick.test.ts'],
    ],
    { cwd: root, encoding: 'utf8', env: { ...env, LOADSTONE_TEST_SILENCE_MS: '3000' } },
  );
  assert.notDeepEqual([status, signal], [0, null]);
  // The other may be slow to end, but never alone.
  assert.match(stderr, /nothing has happened for [\d.]+ minutes; under way: (.*, )?src\/hangs\.test\.ts/);
});

test('what tests leave behind is told: files and processes; and is then gone', async () => {
  const scratch = makeScratch();
  assert.deepEqual(scratch.look(), []);
  const directory = scratch.env.TMPDIR ?? '';
  writeFileSync(join(directory, 'left.txt'), '');
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'], {
    env: { ...process.env, ...scratch.env },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  const left = scratch.look();
  assert.equal(left[0], 'left.txt');
  if (process.platform === 'linux') assert.match(left.slice(1).join(), new RegExp(`^process ${child.pid}: `));
  scratch.remove();
  assert(!existsSync(directory));
  if (process.platform !== 'linux') child.kill('SIGKILL');
  assert.equal(await ended, 'SIGKILL');
});

describe('files that share a process', () => {
  const testOf = (name: string, wrong = '') =>
    `import { beforeEach, test } from 'node:test';\nimport '../product.ts';\nlet n = 0;\nbeforeEach(() => { n++; });\ntest('${name}', () => { if (n !== 1) throw new Error(n);${wrong} });\n`;
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const files = [...names.map((name) => `src/pure/${name}.test.ts`), 'src/starts.test.ts', 'src/env.test.ts'];
  before(() => {
    write('package.json', '{"imports": {"#base/*": "./src/base/*.ts"}}');
    write('src/base/start.fixture.ts', "import { spawn } from 'node:child_process';\n");
    write('src/base/more.fixture.ts', "import './start.fixture.ts';\n");
    write('src/product.ts', "import { spawn } from 'node:child_process';\n");
    write('src/starts.test.ts', "import { start } from '#base/more.fixture';\n");
    write('src/env.test.ts', "process.env.TZ = 'UTC';\n");
    for (const name of names) write(`src/pure/${name}.test.ts`, testOf(name, name === 'c' ? 'throw 1;' : ''));
  });

  test('are those that start nothing and change nothing of the process', () => {
    const groups = groupTests(root, root, files);
    assert.deepEqual(groups.slice(-2), ['src/starts.test.ts', 'src/env.test.ts']);
    assert(groups.length < files.length);
    assert.deepEqual(groupTests(root, root, files.slice(0, 1)), files.slice(0, 1));
  });

  test('fail where one of them does, and have hooks of their own', () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const groups = groupTests(root, root, files).slice(0, -2);
    const { status, stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=spec', ...groups], {
      ...{ cwd: root, encoding: 'utf8', env },
    });
    assert.equal(status, 1);
    assert.match(stdout, /tests 6\n/);
    assert.match(stdout, /pass 5\n[\s\S]*failing tests:[\s\S]*test at src\/pure\/c\.test\.ts:/);
  });
});

test('an interrupt ends every child, and no other starts', async () => {
  const children = createChildren(root);
  const forEver = ['--eval', 'setInterval(() => {}, 1000)'];
  const runs = [children.capture(forEver), children.stream(forEver, {})];
  children.interrupt('SIGTERM');
  assert.deepEqual(
    (await Promise.all(runs)).map(({ code }) => code),
    [1, 1],
  );
  assert.deepEqual(await children.capture(forEver), { code: 1, output: 'interrupted' });
});
