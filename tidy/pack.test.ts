import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, posix } from 'node:path';
import { after, test } from 'node:test';
import { links } from './markdown.ts';
import { pack } from './pack.ts';

const ROOT = join(import.meta.dirname, '..');

// Below node_modules, so that git does not see it and the compiled files find their packages.
const out = mkdtempSync(join(ROOT, 'node_modules', '.packed-'));
after(() => rmSync(out, { recursive: true }));

test('the compiled package loads on this Node, with its own files and without the tests', async () => {
  assert.equal(await pack(out), '');
  const script = `
    const { defineSystem } = await import(${JSON.stringify(join(out, 'index.js'))});
    const { systemClock } = await import(${JSON.stringify(join(out, 'base', 'clock.js'))});
    console.log(typeof defineSystem, typeof systemClock.nowMs());`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  assert.equal(printed, 'function number\n');

  const [compiled, sources] = [out, join(ROOT, 'src')].map((cwd) => globSync('**/*', { cwd }));
  assert.deepEqual(
    compiled?.filter((path) => /[./](test|suite|long|fixture|bench)\.(js|d\.ts)$/.test(path)),
    [],
  );
  const migrations = (paths: string[] | undefined) => paths?.filter((path) => path.endsWith('.sql')).sort();
  assert.deepEqual(migrations(compiled), migrations(sources));
});

test('every document in the package leads only to what is in it too', () => {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], { cwd: ROOT, encoding: 'utf8' }),
  ) as { files: { path: string }[] }[];
  const paths = packed?.files.map(({ path }) => path) ?? [];
  const documents = paths.filter((path) => path.endsWith('.md') && !path.startsWith('dist/'));
  assert(documents.includes('README.md') && documents.includes('docs/operations/commands.md'));
  const lost = documents.flatMap((path) =>
    links(readFileSync(join(ROOT, path), 'utf8'))
      .map(({ target }) => target.replace(/#.*/, ''))
      .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
      .map((target) => posix.join(posix.dirname(path), target))
      .filter((target) => !paths.some((each) => each === target || each.startsWith(`${target}/`)))
      .map((target) => `${path}: ${target}`),
  );
  assert.deepEqual(lost, []);
});
