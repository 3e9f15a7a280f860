/**
 * What the package exports is what a system from elsewhere gets: the running copy, under every name.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { importSystem } from './systems/module.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const directory = mkdtempSync(join(tmpdir(), 'loadstone-exports-'));
after(() => rmSync(directory, { recursive: true }));

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  exports: Record<string, { types: string; default: string } | string>;
};
const entries = Object.entries(exports).flatMap(([name, target]) =>
  typeof target === 'string' ? [] : [{ name: `loadstone${name.slice(1)}`, ...target }],
);

/** As a module that lies where nothing is installed sees it. */
async function importOutside(specifier: string): Promise<object> {
  const file = join(directory, `${specifier.replaceAll('/', '-')}.mjs`);
  writeFileSync(file, `import * as all from '${specifier}';\nexport default all;\n`);
  return (await importSystem(file)).default as object;
}

test('a module from outside gets the running copy of each export', async () => {
  assert(entries.some(({ name }) => name === 'loadstone/queue'));
  for (const { name, default: compiled } of entries) {
    const source = join(ROOT, compiled.replace('./dist/', 'src/').replace(/\.js$/, '.ts'));
    const running = (await import(source)) as object;
    assert.equal(await importOutside(name), running, name);
    assert(Object.keys(running).length > 0, name);
  }
});

test('each export is a block of its own name, with its types beside it', () => {
  for (const { name, default: compiled, types } of entries) {
    assert.equal(types, compiled.replace(/\.js$/, '.d.ts'));
    if (name === 'loadstone') continue;
    assert.equal(compiled, `./dist/blocks/${name.slice('loadstone/'.length)}/index.js`);
    assert(
      existsSync(join(ROOT, compiled.replace('./dist/', 'src/').replace('index.js', 'README.md'))),
      name,
    );
  }
});

test('what is not exported is said, with what is', async () => {
  await assert.rejects(
    importOutside('loadstone/nothing'),
    /loadstone\/nothing is not there; there are .*loadstone\/queue/,
  );
});
