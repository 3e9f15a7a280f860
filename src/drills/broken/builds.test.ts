import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { breakSource, brokenBuilds, relayById } from './builds.fixture.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const HOOK = pathToFileURL(join(import.meta.dirname, 'hook.fixture.ts')).href;

function runBroken(name: string, script: string) {
  const args = ['--disable-warning=ExperimentalWarning', '--import', `${HOOK}?${name}`];
  return spawnSync(process.execPath, [...args, '--input-type=module', '--eval', script], {
    cwd: ROOT,
    encoding: 'utf8',
  });
}

for (const build of brokenBuilds) {
  test(`the source has what ${build.name} breaks, and is code when it is broken`, () => {
    const source = readFileSync(join(ROOT, build.file), 'utf8');
    const broken = breakSource(build, source);
    assert.notEqual(broken, source);
    stripTypeScriptTypes(broken);
  });
}

describe('a process that is started with the hook', () => {
  /** Two batches: after the first, the number 5 may still be on its way. */
  const script = `
    const { createLowWatermark } = await import(${JSON.stringify(pathToFileURL(join(ROOT, relayById.file)).href)});
    const lowWatermark = createLowWatermark(1n);
    lowWatermark.moved({ lastSeq: '6', xid: 11n, xidMin: 10n });
    console.log(String(lowWatermark.seq()));`;

  test('runs the broken code, and that alone', () => {
    const { stdout, stderr } = runBroken('relay-by-id', script);
    assert.deepEqual([stdout, stderr], ['7\n', '']);
    assert.equal(runBroken('acknowledge-before-commit', script).stdout, '1\n');
  });

  test('ends when no build has the name', () => {
    const { status, stderr } = runBroken('no-such-build', script);
    assert.notEqual(status, 0);
    assert.match(stderr, /no broken build is called no-such-build/);
  });
});

test('a snippet that is not there, or twice, is refused', () => {
  assert.throws(() => breakSource(relayById, ''), /relay-by-id needs its snippet once .* finds it 0 times/);
  assert.throws(() => breakSource(relayById, relayById.snippet.repeat(2)), /finds it 2 times/);
});
