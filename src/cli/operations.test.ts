/**
 * What deploy/ and docs/operations tell people to run, run by the programs that it is for.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { createScene, IS_ROOT, ROOT, type Scene } from './process.fixture.ts';

const isThere = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const without = (...programs: string[]) => {
  const missing = programs.filter((program) => !isThere(program));
  return missing.length > 0 && `NOT TESTED: there is no ${missing.join(', no ')} here`;
};

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return `${stdout}${stderr}`;
}

test('the systemd unit is one, and leaves a service little to do harm with', {
  skip: without('systemd-analyze'),
}, () => {
  const unit = join(ROOT, 'deploy', 'systemd', 'loadstone.service');
  assert.equal(run('systemd-analyze', ['verify', unit]), '');
  // In tenths: from 0, nothing to be found fault with, to 100.
  run('systemd-analyze', ['security', '--offline=true', '--threshold=25', unit]);
});

test('Caddy takes its example', { skip: without('caddy') }, (t) => {
  const home = createScene(t).directory();
  const file = join(ROOT, 'deploy', 'proxy', 'Caddyfile');
  const env = { ...process.env, HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home };
  const said = run('caddy', ['validate', '--adapter', 'caddyfile', '--config', file], env);
  assert.match(said, /Valid configuration/);
  assert.doesNotMatch(said, /not formatted/);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The example, on ports of its own, in front of `upstream`. */
async function startNginx(scene: Scene, upstream: string): Promise<number> {
  const place = scene.directory();
  const [port, plainPort] = [await freePort(), await freePort()];
  const [certificate, key] = [join(place, 'cert.pem'), join(place, 'key.pem')];
  const subject = ['-subj', '/CN=go.example.com', '-days', '1', '-nodes'];
  run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', ...subject, '-keyout', key, '-out', certificate]);
  mkdirSync(join(place, 'temporary'));
  const example = readFileSync(join(ROOT, 'deploy', 'proxy', 'nginx.conf'), 'utf8')
    .replace('127.0.0.1:8080', upstream)
    .replace('listen 80;', `listen 127.0.0.1:${plainPort};`)
    .replace('listen 443 ', `listen 127.0.0.1:${port} `)
    .replace(/ssl_certificate .*;/, `ssl_certificate ${certificate};`)
    .replace(/ssl_certificate_key .*;/, `ssl_certificate_key ${key};`);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(place, 'temporary', name)};`,
  );
  const file = join(place, 'nginx.conf');
  const user = IS_ROOT ? 'user root;' : '';
  writeFileSync(
    file,
    `${user} daemon off; pid ${join(place, 'pid')}; error_log stderr; events {}\nhttp { access_log off; ${paths.join(' ')}\n${example}}\n`,
  );
  run('nginx', ['-t', '-q', '-p', place, '-c', file]);
  const nginx = scene.spawn([], { command: ['nginx', '-p', place, '-c', file] });
  await eventually('nginx answers', async () => {
    assert(!nginx.hasExited(), nginx.stderr());
    return (await ask(port, '/livez')).status === 200;
  });
  return port;
}

interface Asked {
  status: number | undefined;
  location: string | undefined;
  body: string;
}

async function ask(
  port: number,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {},
): Promise<Asked> {
  const method = body === undefined ? 'GET' : 'POST';
  const options = { host: '127.0.0.1', port, path, method, rejectUnauthorized: false, agent: false as const };
  const sent = request({ ...options, headers: { host: 'go.example.com', ...headers } });
  sent.end(body);
  const [answer] = await once(sent, 'response');
  let text = '';
  for await (const chunk of answer) text += chunk;
  return { status: answer.statusCode, location: answer.headers.location, body: text };
}

test('nginx passes on what its example says: writes, redirects, refusals, and no body that is too long', {
  skip: without('nginx', 'openssl'),
}, async (t) => {
  const scene = createScene(t);
  const server = await scene.start({
    env: { LOADSTONE_PUBLIC_URL: 'https://go.example.com' },
  });
  const port = await startNginx(scene, new URL(server.url).host);
  const headers = { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ url: 'https://example.com/', alias: 'proxied' });
  const made = await ask(port, '/v1/links', { headers: { ...headers, 'idempotency-key': 'one' }, body });
  assert.equal(made.status, 201, made.body);
  assert.match(made.body, /"shortUrl":"https:\/\/go\.example\.com\/proxied"/);
  const followed = await ask(port, '/proxied');
  assert.deepEqual([followed.status, followed.location], [302, 'https://example.com/']);
  const unknown = await ask(port, '/unknown');
  assert.equal((JSON.parse(unknown.body) as { code: string }).code, 'link_not_found');
  const long = await ask(port, '/v1/links', { headers, body: 'x'.repeat(1_048_577) }).catch(() => undefined);
  assert(long === undefined || long.status === 413, String(long?.status));
});

test('the first command of the page on backups works where nothing has been prepared', (t) => {
  const place = createScene(t).directory();
  const page = readFileSync(join(ROOT, 'docs', 'operations', 'backup.md'), 'utf8');
  const [, first = ''] = /^\$ (.*)$/m.exec(page) ?? [];
  run('sh', ['-ec', first.replaceAll('/etc/loadstone', join(place, 'etc', 'loadstone'))]);
  const key = join(place, 'etc', 'loadstone', 'backup.key');
  assert.match(readFileSync(key, 'utf8'), /^[A-Za-z0-9+/=]{44}\n$/);
  assert.equal(statSync(key).mode & 0o777, 0o600);
});
