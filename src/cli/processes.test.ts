/**
 * One server of several processes: any of them may die or be replaced under load, and no request fails that was not cut.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  BOOTSTRAP,
  createScene,
  eventually,
  FREE_PORT,
  type Loadstone,
  noPostgresIn,
  processesIn,
  ROOT,
} from './process.fixture.ts';
import {
  assertKept,
  assertOnlyCut,
  childrenOf,
  cut,
  moreAnswers,
  queueUp,
  readSignal,
  serving,
  startLoad,
} from './processes.fixture.ts';

const CLEAN = { code: 0, signal: null };
/** Four and more take too long for every run: see processes.long.ts. */
const COUNT = 3;
const isLinux = process.platform === 'linux';

describe('three processes', { skip: !isLinux && 'connections are found in /proc' }, () => {
  const scene = createScene({ after });
  let data: string;
  let server: Loadstone;
  let code: string;

  const start = (key?: string) =>
    scene.start({
      data,
      args: ['--data', data, '--listen', FREE_PORT, '--processes', String(COUNT)],
      ...(key === undefined ? {} : { key }),
    });

  before(async () => {
    data = join(scene.directory(), 'data');
    server = await start();
    code = await server.shorten('https://example.com/kept');
  });

  test('each is told when it listens, and the key is shown once', () => {
    assert.deepEqual([...childrenOf(server).keys()].sort(), [1, 2, 3]);
    assert.equal(server.stdout().match(/lsk_[\w-]{40} {3}\(shown once/g)?.length, 1);
  });

  test('whichever answers, /metrics is of all of them', async () => {
    const before = await readSignal(server, 'loadstone_http_request_duration_seconds_count');
    const replies = Array.from({ length: 40 }, () => server.request('/readyz'));
    for (const reply of await Promise.all(replies)) assert.equal(reply.status, 200);
    const ready = 'loadstone_http_request_duration_seconds_count\\{[^}]*readyz[^}]*\\}';
    const seen = await Promise.all(Array.from({ length: 8 }, () => readSignal(server, ready)));
    assert.equal(new Set(seen).size, 1, seen.join(' '));
    const now = await readSignal(server, 'loadstone_http_request_duration_seconds_count');
    assert(now >= before + 40, `${now} after ${before}`);
    assert.equal(await readSignal(server, 'loadstone_outbox_leading'), 1);
    assert.equal(await readSignal(server, 'loadstone_processes_silent'), 0);
  });

  test('any may be killed under load: only connections to it fail, and another takes its place', async () => {
    const load = startLoad(server, code);
    await moreAnswers(load, 200);
    const counted = await readSignal(server, 'loadstone_links_redirect_hits_total');
    const ports = new Set<number>();
    for (const number of [1, 3]) {
      const pid = childrenOf(server).get(number) ?? 0;
      for (const port of cut(pid)) ports.add(port);
      await moreAnswers(load, 200);
      await eventually('another listens', () => childrenOf(server).get(number) !== pid, 30_000);
    }
    await moreAnswers(load, 200);
    await load.stop();
    assertOnlyCut(load, ports);
    await assertKept(server, load);
    await serving(server, COUNT);
    assert.equal(await readSignal(server, 'loadstone_processes_ended_total'), 2);
    assert((await readSignal(server, 'loadstone_links_redirect_hits_total')) >= counted, 'no sum goes back');
  });

  test('SIGHUP replaces all of them under load, and no request fails', async () => {
    const pids = [...childrenOf(server).values()];
    const load = startLoad(server, code);
    await moreAnswers(load, 200);
    process.kill(server.pid, 'SIGHUP');
    await eventually(
      'all are replaced',
      () => server.stdout().includes(`  replaced ${COUNT} processes\n`),
      60_000,
    );
    await moreAnswers(load, 200);
    await load.stop();
    assert.deepEqual(load.failures, []);
    await assertKept(server, load);
    assert(![...childrenOf(server).values()].some((pid) => pids.includes(pid)));
    for (const pid of pids) assert(!processesIn(data).includes(pid));
    assert(!server.hasExited());
  });

  test('a process that cannot start replaces none: the line says why, and all go on', async () => {
    const pids = [...childrenOf(server).values()];
    const file = join(data, '..', 'loadstone.yaml');
    writeFileSync(file, 'colour: blue\n');
    process.kill(server.pid, 'SIGHUP');
    await eventually('it is told', () => /process 1 is not replaced, .*colour/.test(server.stdout()), 60_000);
    rmSync(file);
    assert.deepEqual([...childrenOf(server).values()], pids);
    assert.equal(await server.follow(code), 'https://example.com/kept');
  });

  test('connections that wait in the queue belong to nobody, and outlive who might have taken them', async () => {
    const [kept = 0, ...others] = [...childrenOf(server).values()];
    for (const pid of [kept, ...others]) process.kill(pid, 'SIGSTOP');
    const asked = await queueUp(server, code, 30);
    for (const pid of others) process.kill(pid, 'SIGKILL');
    process.kill(kept, 'SIGCONT');
    const answers = await Promise.all(asked);
    assert(answers.every(({ status }) => status === 302));
    await serving(server, COUNT);
  });

  test('SIGKILL of the supervisor leaves no process and no Postgres; a start right after finds everything', async () => {
    await server.kill9();
    const next = await start(server.key);
    assert.equal(await next.follow(code), 'https://example.com/kept');
    assert.doesNotMatch(next.stdout(), /API key/);
    const known = new Set([next.pid, ...childrenOf(next).values()]);
    assert.equal(known.size, COUNT + 1);
    for (const pid of childrenOf(server).values()) assert(!processesIn(data).includes(pid));
    process.kill(next.pid, 'SIGTERM');
    assert.deepEqual(await next.exited(), CLEAN);
    assert.match(next.stdout(), /stopping\n.*stopped\n$/);
    await eventually('nothing is left', () => processesIn(data).length === 0);
    await noPostgresIn(data);
  });
});

test('Ctrl-C reaches all processes and is a clean stop; so is a terminal that goes away', {
  skip: !isLinux && 'script(1) is that of util-linux',
}, async (t) => {
  const scene = createScene(t);
  const data = join(scene.directory(), 'data');
  const args = ['--data', data, '--listen', FREE_PORT, '--processes', '2'];
  const server = await scene.start({ data, args, detached: true });
  process.kill(-server.pid, 'SIGINT');
  assert.deepEqual(await server.exited(), CLEAN);
  await noPostgresIn(data);

  const line = [...BOOTSTRAP, 'start', ...args].join(' ');
  const command = ['script', '-qfec', `cd ${ROOT} && exec ${line}`, '/dev/null'] as const;
  const terminal = scene.spawn([], { command: [...command], detached: true });
  await eventually('it listens', () => terminal.stdout().includes(' s  listening'), 60_000);
  await eventually('all is said', () => terminal.stdout().includes('data directory'));
  process.kill(terminal.pid, 'SIGKILL');
  await eventually('nothing is left', () => processesIn(data).length === 0, 30_000);
  await noPostgresIn(data);
});

describe('what keeps several processes from starting is told as by one', () => {
  const scene = createScene({ after });

  test('a busy port, before anything else is started', async (t) => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    t.after(() => blocker.close());
    const { port } = blocker.address() as { port: number };
    const data = join(scene.directory(), 'data');
    const args = ['start', '--data', data, '--listen', `127.0.0.1:${port}`, '--processes', '2'];
    const { code, stderr, stdout } = await scene.run(args);
    const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? '',
      new RegExp(`^loadstone: cannot listen on 127\\.0\\.0\\.1:${port}: another process listens there`),
    );
    assert.equal(code, 1);
    assert.doesNotMatch(stdout, /Postgres/);
  });

  test('a number of processes that is none', async () => {
    const { code, stderr } = await scene.run(['start', '--processes', 'many']);
    assert.equal(code, 1);
    assert.match(stderr, /^loadstone: processes: "many" is not allowed; allowed is /);
  });
});
