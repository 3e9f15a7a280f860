/**
 * Data of an earlier version under this one, and data of a later version under an earlier one.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { brotliDecompressSync } from 'node:zlib';
import { createScene, FREE_PORT, noPostgresIn, ROOT } from '../process.fixture.ts';

const scene = createScene({ after });

const OLDEST = join(import.meta.dirname, 'oldest-data.tar.br');
const OLDEST_KEY = 'the-root-key-of-the-oldest-fixture';
/** Files of Postgres fit the byte order and word length they were made with. */
const isAlike = ['x64', 'arm64'].includes(process.arch);

function unpackOldest(): string {
  const data = join(scene.directory(), 'data');
  mkdirSync(data, { mode: 0o700 });
  const tar = brotliDecompressSync(readFileSync(OLDEST));
  const { status, stderr } = spawnSync('tar', ['-x', '--no-same-owner', '-p', '-f', '-', '-C', data], {
    input: tar,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return data;
}

test('the oldest data directory that is kept starts, with all that it holds', {
  skip: !isAlike && 'its files are for x64 and arm64',
}, async () => {
  const data = unpackOldest();
  const env = { LOADSTONE_ROOT_KEY: OLDEST_KEY };
  const server = await scene.start({ data, key: OLDEST_KEY, env });

  const found = await Promise.all(
    ['kept-from-the-start', 'moved', 'wy1NmSc', 'ADnIf4m', 'later', 'soon-over', 'deleted'].map(
      async (code) => {
        const { status, headers } = await server.request(`/${code}`);
        return [code, status, headers.get('location')];
      },
    ),
  );
  assert.deepEqual(found, [
    ['kept-from-the-start', 302, 'https://example.com/kept'],
    ['moved', 301, 'https://example.com/moved'],
    ['wy1NmSc', 302, 'https://example.com/generated'],
    ['ADnIf4m', 302, 'https://example.com/shortened'],
    ['later', 302, 'https://example.com/later'],
    ['soon-over', 410, null],
    ['deleted', 410, null],
  ]);
  const listed = (await (await server.request('/v1/links')).json()) as {
    items: { id: string; code: string }[];
  };
  assert.deepEqual(
    listed.items.map(({ code }) => code),
    ['ADnIf4m', 'later', 'soon-over', 'wy1NmSc', 'moved', 'kept-from-the-start'],
  );
  assert.equal(listed.items.at(-1)?.id, '362417422352384');
  assert.deepEqual(await (await server.request('/v1/links/counts')).json(), { live: 5, expired: 1 });

  const added = await server.shorten('https://example.com/added');
  assert(!listed.items.some(({ code }) => code === added));
  const { code, stdout, stderr } = await scene.run(['verify', '--data', data], { env });
  assert.deepEqual([code, /differ/.test(stdout)], [0, false], stdout + stderr);
  await server.stop();

  const again = await scene.start({ data, key: OLDEST_KEY, env });
  assert.equal(await again.follow(added), 'https://example.com/added');
  assert.equal(await again.follow('moved'), 'https://example.com/moved');
  await again.stop();
});

describe('an older program on newer data', () => {
  const cwd = scene.directory();
  const migrations = join(cwd, 'notes', 'migrations');
  const second = join(migrations, '0002_more.sql');
  const third = join(migrations, '0003_less.sql');
  const start = () =>
    scene.start({ cwd, data: join(cwd, 'data'), key: OLDEST_KEY, env: { LOADSTONE_ROOT_KEY: OLDEST_KEY } });

  test('goes on where the data allow it, and else says so on one line', async () => {
    cpSync(join(ROOT, 'examples', 'notes'), join(cwd, 'notes'), { recursive: true });
    writeFileSync(join(cwd, 'loadstone.yaml'), 'systems: [links, ./notes]\n');
    writeFileSync(second, 'alter table notes.notes add column colour text;\n');
    await (await start()).stop();

    // As it was before: what has only been added is not in its way.
    rmSync(second);
    const older = await start();
    assert.equal((await older.request('/v1/notes', { method: 'POST', body: { text: 'old' } })).status, 201);
    await older.stop();

    writeFileSync(second, 'alter table notes.notes add column colour text;\n');
    writeFileSync(third, '-- min-compatible: 2\nalter table notes.notes drop column colour;\n');
    await (await start()).stop();

    rmSync(second);
    rmSync(third);
    const refused = await scene.run(['start', '--data', 'data', '--listen', FREE_PORT], { cwd });
    assert.equal(refused.code, 1);
    const said = refused.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
    assert.deepEqual(said, [
      'loadstone: notes: the database is at 0003_less and works with programs that know 2 or more migrations; this one knows 1: it is older than the data, so run the newer version',
    ]);
    await noPostgresIn(cwd);
  });
});
