/**
 * What keeps the server from starting: one line that says what and why, another exit code than 0, and nothing left.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Command } from 'commander';
import { addCommands } from '../commands.ts';
import {
  BOOTSTRAP,
  createScene,
  FREE_PORT,
  IS_ROOT,
  type Loadstone,
  NOBODY,
  noPostgresIn,
  type RunOptions,
} from '../process.fixture.ts';

const scene = createScene({ after });

/** Runs `start` in a directory of its own, sees it refused, and gives the line. */
async function refusal(
  args: readonly string[],
  { yaml, code = 1, ...options }: RunOptions & { yaml?: string; code?: number } = {},
): Promise<string> {
  const cwd = options.cwd ?? scene.directory();
  if (yaml !== undefined) writeFileSync(join(cwd, 'loadstone.yaml'), yaml);
  const ended = await scene.run(['start', ...args], { cwd, ...options });
  assert.deepEqual({ code: ended.code, signal: ended.signal }, { code, signal: null }, ended.stderr);
  const lines = ended.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  assert.equal(lines.length, 1, ended.stderr);
  assert.match(lines[0] ?? '', /^loadstone: \S/);
  assert.doesNotMatch(ended.stdout, /listening/);
  await noPostgresIn(cwd);
  if (options.cwd === undefined) assert(!existsSync(join(cwd, 'data')), 'nothing has been started');
  return (lines[0] ?? '').replace(/^loadstone: /, '');
}

describe('flags, environment and file', { concurrency: 2 }, () => {
  test('an unknown flag', async () => {
    const line = await refusal(['--colour', 'blue'], { code: 2 });
    assert.match(line, /^unknown option '--colour'; known is --data, --listen, .*--help$/);
  });

  test('a flag without its value, an argument too many, a word that is not allowed', async () => {
    assert.match(await refusal(['--data'], { code: 2 }), /'--data <dir>' argument missing/);
    assert.match(await refusal(['now'], { code: 2 }), /too many arguments .* now/);
    assert.match(
      await refusal(['--log-level', 'loud'], { code: 2 }),
      /'--log-level <level>' argument 'loud' is invalid. Allowed choices are fatal, /,
    );
  });

  test('an impossible port', async () => {
    const line = /^listen: "127\.0\.0\.1:99999" is not allowed; allowed is .*65535/;
    assert.match(await refusal(['--listen', '127.0.0.1:99999'], { code: 2 }), line);
    assert.match(await refusal([], { env: { LOADSTONE_LISTEN: '127.0.0.1:99999' } }), line);
  });

  test('a flag that names or adds up to nothing is a wrong command line too', async () => {
    const cases: [string[], RegExp][] = [
      [['--systems', 'lynx'], /^systems: "lynx" is not known/],
      [['--processes', '0'], /^processes: 0 is not allowed/],
      [['--processes', '11'], /^processes: 11 are more than/],
      [['--public-url', 'go.example.com'], /^publicUrl: /],
      [['--config', 'missing.yaml'], /^config: missing\.yaml does not exist$/],
      [['--join', 'x', '--data', 'y'], /^join: names the data directory already/],
    ];
    for (const [args, line] of cases) assert.match(await refusal(args, { code: 2 }), line);
  });

  test('an unknown key in the file', async () => {
    const line = await refusal([], { yaml: 'http: {bodyBytesMax: 2000, bodySize: 5}\n' });
    assert.match(line, /^http\.bodySize: .*is not known here \(value .*\); known is .*\bbodyBytesMax\b/);
  });

  test('a file that is not YAML', async () => {
    assert.match(
      await refusal([], { yaml: 'listen: [127.0.0.1\n' }),
      /loadstone\.yaml: .* at line 2, column 1$/,
    );
  });

  test('a root key that is too short, without telling it', async () => {
    const cwd = scene.directory();
    const line = await refusal([], { cwd, env: { LOADSTONE_ROOT_KEY: 'much-too-short' } });
    assert.match(line, /^LOADSTONE_ROOT_KEY: 14 characters; allowed is 24 to 256/);
  });

  test('a master key that is none', async () => {
    const cwd = scene.directory();
    const line = await refusal([], { cwd, env: { LOADSTONE_MASTER_KEY: 'secret' } });
    assert.equal(line, 'LOADSTONE_MASTER_KEY is not 32 bytes in base64url');
  });

  test('no command, and another one', async () => {
    const program = new Command();
    await addCommands(program);
    const others = program.commands.map((command) => command.name());
    const known = `known is ${['start', ...others].join(', ')}\n`;
    const none = await scene.run([]);
    assert.deepEqual([none.code, none.stderr], [2, `loadstone: no command given; ${known}`]);
    const other = await scene.run(['stop']);
    assert.deepEqual([other.code, other.stderr], [2, `loadstone: unknown command 'stop'; ${known}`]);
  });
});

test('--help lists the flags and the environment, and exits with 0', async () => {
  const { code, stdout, stderr } = await scene.run(['start', '--help']);
  assert.deepEqual([code, stderr], [0, '']);
  for (const word of [
    '--data',
    '--listen',
    '--config',
    'LOADSTONE_DATA',
    'LOADSTONE_LISTEN',
    'LOADSTONE_ROOT_KEY',
  ])
    assert(stdout.includes(word), word);
});

describe('beside a running server', () => {
  let server: Loadstone;
  before(async () => {
    server = await scene.start();
  });

  test('its port is busy', async () => {
    const cwd = scene.directory();
    const address = new URL(server.url).host;
    const line = await refusal(['--listen', address], { cwd });
    assert.match(line, new RegExp(`^cannot listen on ${address}: another process listens there`));
  });

  test('its data directory is in use, by a process whose pid is told', async () => {
    const args = ['--data', server.data, '--listen', FREE_PORT];
    const ended = await scene.run(['start', ...args]);
    assert.equal(ended.code, 1);
    assert.match(
      ended.stderr,
      new RegExp(`^loadstone: ${server.data} is in use by another server \\(pid ${server.pid}\\)\n$`),
    );
    assert.equal((await server.request('/readyz')).status, 200);
  });
});

describe('the data directory', () => {
  function nobodyMayRun(): boolean {
    const [file, ...args] = BOOTSTRAP;
    return IS_ROOT && spawnSync(file, [...args, 'start', '--help'], { ...NOBODY, cwd: '/' }).status === 0;
  }

  test('without write permission', {
    skip: IS_ROOT && !nobodyMayRun() && 'root may write anywhere, and another user cannot read this checkout',
  }, async () => {
    const cwd = scene.directory();
    chmodSync(cwd, IS_ROOT ? 0o755 : 0o500);
    const as = IS_ROOT ? { as: NOBODY } : {};
    const line = await refusal(['--listen', FREE_PORT], { cwd, ...as });
    assert.match(line, new RegExp(`^data directory ${cwd}/data: this user may not write there`));
    chmodSync(cwd, 0o700);

    const data = join(scene.directory(), 'data');
    mkdirSync(data, { mode: 0o500 });
    chmodSync(join(data, '..'), 0o755);
    if (IS_ROOT) chownSync(data, NOBODY.uid, NOBODY.gid);
    assert.match(
      await refusal(['--data', data, '--listen', FREE_PORT], { cwd: '/', ...as }),
      new RegExp(`^data directory ${data}: this user may not write there`),
    );
  });

  test('that this user may not read is not told to be missing', {
    skip: IS_ROOT && !nobodyMayRun() && 'root may read anything, and another user cannot read this checkout',
  }, async () => {
    const cwd = scene.directory();
    const data = join(cwd, 'data');
    const inner = join(data, 'postgres');
    mkdirSync(inner, { recursive: true });
    chmodSync(cwd, 0o755);
    const as = IS_ROOT ? { as: NOBODY } : {};
    const commands = { [data]: [['ps'], ['database', 'status']], [inner]: [['ps']], [cwd]: [['ps']] };
    for (const [closed, closedTo] of Object.entries(commands)) {
      const path = closed === cwd ? data : closed;
      chmodSync(closed, 0o000);
      for (const command of closedTo) {
        const { code, stdout, stderr } = await scene.run([...command, '--data', data], { cwd: '/', ...as });
        const said = new RegExp(
          `^loadstone: data directory ${data}: this user \\(uid \\d+\\) may not read ${path}; run the command as .*\n$`,
        );
        assert.deepEqual([code, stdout], [1, ''], command.join(' '));
        assert.match(stderr, said, command.join(' '));
      }
      if (closed === data) {
        assert.match(await refusal(['--join', data], { cwd: '/', ...as }), /may not read/);
      }
      chmodSync(closed, 0o755);
    }
  });

  test('that is a file, or lies in one', async () => {
    const cwd = scene.directory();
    writeFileSync(join(cwd, 'data'), '');
    assert.match(await refusal([], { cwd }), /^data directory .*\/data: it is a file/);
    assert.match(await refusal(['--data', 'data/x'], { cwd }), /data\/x: a part of the path is a file/);
  });

  const tmpfs = (directory: string, size: string) =>
    spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', directory]).status === 0;

  test('on a full disk, and on one that is too small', async (t) => {
    const cwd = scene.directory();
    if (!tmpfs(cwd, '8m')) return t.skip('this user may not mount a small disk');
    scene.onEnd(() => void spawnSync('umount', ['--lazy', cwd]));
    const small = await refusal(['--listen', FREE_PORT], { cwd });
    assert.match(small, new RegExp(`^the disk of ${cwd}/data/postgres is full`));
    const filler = join(cwd, 'filler');
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k', 'count=4096']);
    const full = await refusal(['--listen', FREE_PORT], { cwd });
    assert.match(full, new RegExp(`^data directory ${cwd}/data: the disk is full`));
  });
});
