import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createChildren } from './children.ts';
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
