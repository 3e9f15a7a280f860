/**
 * What a person who types `npm start` sees, and what the flags, the environment and the file make of it.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import {
  cleanEnvironment,
  createScene,
  curlLines,
  FREE_PORT,
  type Loadstone,
  noPostgresIn,
} from '../process.fixture.ts';

const sh = (line: string) => promisify(execFile)('sh', ['-c', line], { env: cleanEnvironment() });

describe('the first start and the second', () => {
  const scene = createScene({ after });
  let data: string;
  let first: Loadstone;
  let code: string;

  before(async () => {
    data = join(scene.directory(), 'data');
    first = await scene.start({ data, isFresh: true });
  });

  test('it tells its steps with elapsed seconds, then the address, the data directory, the key and two lines', () => {
    const said = first.stdout();
    assert.match(
      said,
      new RegExp(
        [
          '^ +\\d+\\.\\d s  starting Postgres',
          ' +\\d+\\.\\d s  creating a database in .*',
          ' +\\d+\\.\\d s  migrating',
          ' +\\d+\\.\\d s  listening',
          '',
          `  address         ${first.url}`,
          `  data directory  ${data}`,
          '  API key         lsk_[\\w-]{40}   \\(shown once: keep it\\)',
          '  stop            Ctrl-C; .*setsid.*',
          '',
          'Shorten a link, then follow it:',
          '',
          '  curl .*',
          '  curl .*\n\n$',
        ].join('\n'),
      ),
    );
    const elapsed = [...said.matchAll(/^ +(\d+\.\d) s /gm)].map((match) => Number(match[1]));
    assert.deepEqual(
      elapsed,
      elapsed.toSorted((a, b) => a - b),
    );
  });

  test('both lines can be pasted: one shortens a link, one follows it', async () => {
    const [shorten = '', follow = '', ...more] = curlLines(first);
    assert.deepEqual(more, []);
    const { stdout } = await sh(shorten);
    const link = JSON.parse(stdout) as { code: string; shortUrl: string };
    assert.equal(link.code, 'hello');
    assert.equal(link.shortUrl, `${first.url}/hello`);
    assert.match((await sh(follow)).stdout, /^HTTP\/1.1 302 .*\r\nlocation: https:\/\/example\.com\/\r\n/is);
  });

  test('after a clean stop nothing runs, and the exit code is 0', async () => {
    code = await first.shorten('https://example.com/kept');
    assert.deepEqual(await first.stop(), { code: 0, signal: null });
    assert.match(first.stdout(), / s {2}stopping\n +\d+\.\d s {2}stopped\n$/);
    await noPostgresIn(data);
  });

  test('the second start finds everything, and shows no key', async () => {
    const second = await scene.start({ data, key: first.key });
    assert.doesNotMatch(second.stdout(), /API key|recovering|creating/);
    assert.doesNotMatch(second.stdout(), new RegExp(first.key));
    assert.equal(await second.follow(code), 'https://example.com/kept');
    assert.equal(await second.follow('hello'), 'https://example.com/');

    const [shorten = '', follow = ''] = curlLines(second);
    const { stdout } = await sh(`LOADSTONE_KEY=${first.key}\n${shorten}`);
    assert.match(stdout, /"code":"hello-[0-9a-f]{6}"/);
    assert.match((await sh(follow)).stdout, /^HTTP\/1.1 302 /);
    await second.stop();
  });
});

describe('where the options come from', () => {
  const scene = createScene({ after });
  const [keyOfFile, otherKey] = ['a-root-key-of-24-letters', 'another-root-key-of-24-letters'];
  let cwd: string;
  let first: Loadstone;

  before(async () => {
    cwd = scene.directory();
    const file = ['listen: 127.0.0.1:1', 'data: ./of-the-file', 'publicUrl: https://go.example'];
    writeFileSync(join(cwd, 'loadstone.yaml'), `${file.join('\n')}\nhttp: {bodyBytesMax: 2000}\n`);
    first = await scene.start({
      cwd,
      data: join(cwd, 'of-the-environment'),
      args: ['--listen', FREE_PORT],
      env: {
        LOADSTONE_DATA: './of-the-environment',
        LOADSTONE_LISTEN: '127.0.0.1:2',
        LOADSTONE_ROOT_KEY: keyOfFile,
      },
      key: keyOfFile,
    });
  });

  test('flags win over the environment, and that over loadstone.yaml', async () => {
    assert.match(
      first.stdout(),
      /^ {2}address {9}http:\/\/127\.0\.0\.1:\d+ {2}\(public: https:\/\/go\.example\)$/m,
    );
    assert.notEqual(new URL(first.url).port, '1');
    assert.notEqual(new URL(first.url).port, '2');
    assert.match(first.stdout(), /^ {2}data directory {2}.*\/of-the-environment$/m);
    const tooLong = await first.request('/v1/shorten', { method: 'POST', body: { url: 'x'.repeat(2000) } });
    assert.equal(tooLong.status, 413);
  });

  test('LOADSTONE_ROOT_KEY sets the key, which is not shown; the lines to paste take it from there', async () => {
    assert.doesNotMatch(first.stdout(), new RegExp(`API key|${keyOfFile}`));
    const [shorten = ''] = curlLines(first);
    assert.match(
      (await sh(`LOADSTONE_ROOT_KEY=${keyOfFile}\n${shorten}`)).stdout,
      /"shortUrl":"https:\/\/go\.example\//,
    );
    assert.equal((await first.request('/v1/links', { key: otherKey })).status, 401);
    await first.stop();
  });

  test('a changed LOADSTONE_ROOT_KEY replaces the old one; LOADSTONE_LISTEN and --config work', async () => {
    writeFileSync(join(cwd, 'other.yaml'), 'data: ./of-the-environment\n');
    const second = await scene.start({
      cwd,
      data: first.data,
      args: ['--config', 'other.yaml'],
      env: { LOADSTONE_LISTEN: FREE_PORT, LOADSTONE_ROOT_KEY: otherKey },
      key: otherKey,
    });
    assert.equal((await second.request('/v1/links')).status, 200);
    assert.equal((await second.request('/v1/links', { key: keyOfFile })).status, 401);
    await second.stop();
  });
});

test('without links there is nothing to shorten, and the start says where to look', async (t) => {
  const server = await createScene(t).start({
    args: ['--listen', FREE_PORT, '--systems', ''],
  });
  assert.deepEqual(curlLines(server), []);
  assert.match(server.stdout(), new RegExp(`^What it answers: ${server.url}/docs$`, 'm'));
  assert.equal((await server.request('/docs')).status, 200);
  assert.equal((await server.request('/v1/links')).status, 404);
});
