import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { startTestServer } from '../server.fixture.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const DIRECTORY = join(ROOT, 'deploy', 'prometheus');
const CACHE = join(ROOT, 'node_modules', '.cache', 'loadstone-promtool');

interface RuleFile {
  groups: { name: string; rules: { alert?: string; record?: string; expr: string }[] }[];
}

const isThere = (file: string) => spawnSync(file, ['--version']).status === 0;

/** Taken out of Debian's package, because installing that would start a Prometheus. Undefined where there is no apt. */
function findPromtool(): string | undefined {
  const kept = join(CACHE, 'usr', 'bin', 'promtool');
  const found = ['promtool', kept].find(isThere);
  if (found !== undefined) return found;
  const directory = mkdtempSync(join(tmpdir(), 'loadstone-promtool-'));
  try {
    const options = { cwd: directory, timeout: 60_000 };
    spawnSync('apt-get', ['download', 'prometheus'], options);
    const [archive] = globSync('prometheus_*.deb', { cwd: directory });
    if (archive === undefined) return undefined;
    spawnSync('dpkg', ['-x', archive, 'unpacked'], options);
    if (!existsSync(CACHE)) renameSync(join(directory, 'unpacked'), CACHE);
  } catch {
    // On another file system, or kept by another run meanwhile: looked for below.
    const unpacked = join(directory, 'unpacked');
    if (existsSync(unpacked)) spawnSync('cp', ['-r', unpacked, CACHE]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return isThere(kept) ? kept : undefined;
}

suite('the Prometheus rules', () => {
  const promtool = findPromtool();
  const skip = promtool === undefined ? 'no promtool here, and no Debian package to take it from' : false;

  function check(...args: string[]): void {
    const { status, stdout, stderr } = spawnSync(promtool as string, args, {
      cwd: DIRECTORY,
      encoding: 'utf8',
    });
    assert.equal(status, 0, `${stdout}${stderr}`);
  }

  test('are rules', { skip }, () => check('check', 'rules', 'loadstone.rules.yml'));

  test('alert when they should, and only then', { skip }, () =>
    check('test', 'rules', 'loadstone.rules.test.yml'),
  );

  test('read only metrics that a server or its supervisor has', async () => {
    const { groups } = parse(readFileSync(join(DIRECTORY, 'loadstone.rules.yml'), 'utf8')) as RuleFile;
    const read = groups
      .flatMap(({ rules }) => rules)
      .flatMap(({ expr }) => expr.match(/\bloadstone_[a-z0-9_]+/g) ?? []);
    assert(read.length > 10);
    const supervisor = readFileSync(join(ROOT, 'src', 'cli', 'supervisor', 'gathered-metrics.ts'), 'utf8');
    const known = new Set(supervisor.match(/\bloadstone_[a-z0-9_]+/g));
    const it = await startTestServer({ options: { database: { standbys: 2 } } });
    try {
      const shown = await (await it.call('/metrics')).text();
      for (const [, name] of shown.matchAll(/^# TYPE (\S+)/gm)) known.add(name as string);
    } finally {
      await it.stop();
    }
    const isKnown = (name: string) => known.has(name) || known.has(name.replace(/_(count|sum|bucket)$/, ''));
    assert.deepEqual(
      read.filter((name) => !isKnown(name)),
      [],
    );
  });
});
