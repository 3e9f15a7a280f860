/**
 * The image of deploy/container, built by buildah on a debootstrapped root and run by podman as the page on containers says.
 * Where the machine has not what that takes, it is skipped, with what is missing.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { eventually } from '#base/testing/eventually.fixture';
import { createScene, IS_ROOT, ROOT } from '../process.fixture.ts';

const PROGRAMS = ['buildah', 'podman', 'debootstrap', 'npm', 'runc'];
const BUILD_MS_MAX = 900_000;
const ROOT_KEY = 'lsk_of_a_container_that_is_tested';
const PORT = 18_099;

function missing(): string | false {
  if (process.platform !== 'linux' || !IS_ROOT) return 'debootstrap needs Linux and root';
  const absent = PROGRAMS.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  return absent.length > 0 && `there is no ${absent.join(', no ')} here`;
}

interface Ran {
  status: number | null;
  said: string;
}

function attempt(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: BUILD_MS_MAX,
    env: { ...process.env, ...env },
  });
  return { status, said: `${stdout}${stderr}` };
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, said } = attempt(command, args, env);
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${said.slice(-4000)}`);
  return said;
}

/** What the first stage needs beside the root of Debian: this Node, the npm that is here, and whom it trusts. */
function writeTools(directory: string): void {
  const library = join(directory, 'usr', 'local', 'lib', 'node_modules');
  const programs = join(directory, 'usr', 'local', 'bin');
  for (const each of [library, programs, join(directory, 'etc', 'ssl', 'certs')])
    mkdirSync(each, { recursive: true });
  copyFileSync(process.execPath, join(programs, 'node'));
  const npm = run('sh', ['-c', 'command -v npm']).trim();
  cpSync(dirname(dirname(realpathSync(npm))), join(library, 'npm'), { recursive: true, dereference: true });
  const script = '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"\n';
  writeFileSync(join(programs, 'npm'), script, { mode: 0o755 });
  const certificates = join('etc', 'ssl', 'certs', 'ca-certificates.crt');
  cpSync(`/${certificates}`, join(directory, certificates), { dereference: true });
  mkdirSync(join(directory, 'usr', 'local', 'etc'), { recursive: true });
  writeFileSync(
    join(directory, 'usr', 'local', 'etc', 'npmrc'),
    `cafile=/${certificates}\ncache=/var/cache/npm\n`,
  );
}

test('the compose file starts what the image needs: not as root, nothing writable but one volume', () => {
  const file = readFileSync(join(ROOT, 'deploy', 'container', 'compose.yaml'), 'utf8');
  const { services, volumes } = parse(file) as {
    services: { loadstone: Record<string, unknown> };
    volumes: object;
  };
  const { user, read_only, cap_drop, volumes: mounts, init, healthcheck } = services.loadstone;
  assert.deepEqual([user, read_only, cap_drop, init], ['10001:10001', true, ['ALL'], true]);
  assert.deepEqual(mounts, ['data:/var/lib/loadstone']);
  assert.deepEqual(Object.keys(volumes), ['data']);
  assert.deepEqual((healthcheck as { test: string[] }).test, ['CMD', './node', 'health.mjs']);
});

const lacking = missing();

test('the image is built, serves as the page says, survives kill -9 on its volume, and stops cleanly', {
  skip: lacking && `NOT TESTED: ${lacking}`,
}, async (t) => {
  const place = createScene(t).directory();
  const env = { XDG_RUNTIME_DIR: join(place, 'run') };
  mkdirSync(env.XDG_RUNTIME_DIR);
  const storage = ['--root', join(place, 'storage'), '--runroot', join(place, 'runroot')];
  const podman = [...storage, '--cgroup-manager', 'cgroupfs', '--runtime', 'runc'];
  const inPodman = (...args: string[]) => run('podman', [...podman, ...args], env);
  t.after(() => attempt('podman', [...podman, 'rm', '-f', 'loadstone-test'], env));
  t.after(() => attempt('podman', [...podman, 'system', 'reset', '-f'], env));

  const base = join(place, 'base');
  const made = attempt('debootstrap', [
    '--variant=minbase',
    '--include=ca-certificates,libstdc++6',
    'bookworm',
    base,
  ]);
  if (made.status !== 0) return t.skip(`NOT TESTED: debootstrap failed: ${made.said.slice(-300)}`);
  run('tar', ['-C', base, '-cf', join(place, 'base.tar'), '.']);
  inPodman('import', join(place, 'base.tar'), 'localhost/base');
  writeTools(join(place, 'tools'));
  writeFileSync(join(place, 'Tools'), 'FROM localhost/base\nCOPY tools /\n');
  const build = ['bud', '--isolation', 'chroot', '--format', 'docker', '--network', 'host'];
  run('buildah', [...storage, ...build, '-f', join(place, 'Tools'), '-t', 'localhost/tools', place], env);
  const cache = join(homedir(), '.npm');
  mkdirSync(cache, { recursive: true });
  const bases = ['--build-arg', 'BASE=localhost/base', '--build-arg', 'BUILD_BASE=localhost/tools'];
  const from = [
    '-f',
    join(ROOT, 'deploy', 'container', 'Containerfile'),
    '--volume',
    `${cache}:/var/cache/npm`,
  ];
  const ignore = ['--ignorefile', join(ROOT, '.containerignore')];
  run(
    'buildah',
    [...storage, ...build, ...bases, ...from, ...ignore, '-t', 'localhost/loadstone', ROOT],
    env,
  );

  // The network of the host, since a machine of tests may not let one be made; its limits too. Timers of health need systemd.
  const started = attempt(
    'podman',
    [
      ...podman,
      ...['run', '-d', '--name', 'loadstone-test', '--network', 'host', '--no-healthcheck', '--read-only'],
      ...['--tmpfs', '/tmp:mode=1777,size=64m', '--shm-size', '256m', '--cap-drop', 'all'],
      ...[
        '--security-opt',
        'no-new-privileges',
        '--ulimit',
        'nofile=4096:4096',
        '--ulimit',
        'nproc=2048:2048',
      ],
      ...['-v', 'loadstone-test:/var/lib/loadstone', '-e', `LOADSTONE_ROOT_KEY=${ROOT_KEY}`],
      ...['-e', `LOADSTONE_LISTEN=127.0.0.1:${PORT}`, 'localhost/loadstone'],
    ],
    env,
  );
  if (/OCI runtime error|cgroup|namespace/i.test(started.said) && started.status !== 0) {
    return t.skip(`NOT TESTED: built, but this machine runs no container: ${started.said.slice(-300)}`);
  }
  assert.equal(started.status, 0, started.said);

  const url = `http://127.0.0.1:${PORT}`;
  const isReady = async () => (await fetch(`${url}/readyz`)).status === 200;
  await eventually('it is ready', isReady);
  const inside = (...args: string[]) => inPodman('exec', 'loadstone-test', ...args);
  inside('./node', 'health.mjs');
  assert.equal(inside('id', '-u').trim(), '10001');
  assert.match(inside('grep', 'CapEff', '/proc/self/status'), /:\t0+\n/);
  assert.equal(inside('sh', '-c', 'touch /opt/loadstone/x 2>/dev/null || echo refused').trim(), 'refused');
  assert.match(inside('./node', 'src/cli/main.ts', 'ps'), /\b1 process live\n/);

  const headers = { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ url: 'https://example.com/', alias: 'kept' });
  assert.equal((await fetch(`${url}/v1/links`, { method: 'POST', headers, body })).status, 201);
  inPodman('kill', '-s', 'KILL', 'loadstone-test');
  inPodman('wait', 'loadstone-test');
  inPodman('start', 'loadstone-test');
  await eventually('it is ready again', isReady);
  assert.equal((await fetch(`${url}/kept`, { redirect: 'manual' })).status, 302);
  inPodman('stop', '-t', '90', 'loadstone-test');
  assert.equal(inPodman('inspect', 'loadstone-test', '--format', '{{.State.ExitCode}}').trim(), '0');
  assert.match(inPodman('logs', 'loadstone-test'), / s {2}stopped\n/);
});
