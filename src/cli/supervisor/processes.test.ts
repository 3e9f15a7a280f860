/**
 * One server of several processes: any of them may die or be replaced under load, and no request fails that was not cut.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { createScene, FREE_PORT, type Loadstone, noPostgresIn, processesIn } from '../process.fixture.ts';
import {
  assertKept,
  assertOnlyCut,
  childrenOf,
  cut,
  freeze,
  moreAnswers,
  queueUp,
  readMetric,
  serving,
  startLoad,
} from './processes.fixture.ts';

const CLEAN = { code: 0, signal: null };
/** More take too long for every run: see processes.long.ts. */
const COUNT = 2;
const CONFIG = 'processSilentMsMax: 5000\n';
const isLinux = process.platform === 'linux';

describe('two processes', { skip: !isLinux && 'connections are found in /proc' }, () => {
  const scene = createScene({ after });
  let data: string;
  let server: Loadstone;
  let code: string;
  let file: string;

  const start = (key?: string) =>
    scene.start({
      data,
      detached: true,
      args: ['--data', data, '--listen', FREE_PORT, '--processes', String(COUNT)],
      ...(key === undefined ? {} : { key }),
    });

  before(async () => {
    const directory = scene.directory();
    data = join(directory, 'data');
    file = join(directory, 'loadstone.yaml');
    writeFileSync(file, CONFIG);
    server = await start();
    code = await server.shorten('https://example.com/kept');
  });

  test('each is told when it listens, and the key is shown once', () => {
    assert.deepEqual([...childrenOf(server).keys()].sort(), [1, 2]);
    assert.equal(server.stdout().match(/lsk_[\w-]{40} {3}\(shown once/g)?.length, 1);
  });

  test('the supervisor is named, titled and listed, and alone tells of the start', async () => {
    const said = server.stdout();
    assert.match(said, new RegExp(`processes +${COUNT}, supervised by pid ${server.pid} \\(kill -HUP `));
    assert.doesNotMatch(server.stderr(), /starting Postgres/);
    const title = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', '');
    assert.equal(title(server.pid), `loadstone: supervisor (${data})`);
    for (const [number, pid] of childrenOf(server)) {
      assert.equal(title(pid), `loadstone: process ${number} of ${COUNT} (${data})`);
    }
    const { stdout } = await scene.run(['ps', '--data', data, '--json']);
    const { items } = JSON.parse(stdout) as { items: { pid: number; role: string; state: string }[] };
    const supervisor = items.find(({ pid }) => pid === server.pid);
    assert.deepEqual(
      [supervisor?.role, supervisor?.state, items.length],
      ['supervisor', 'serving', COUNT + 1],
    );
  });

  test('whichever answers, /metrics is of all of them', async () => {
    const before = await readMetric(server, 'loadstone_http_request_duration_seconds_count');
    const replies = Array.from({ length: 40 }, () => server.request('/readyz'));
    for (const reply of await Promise.all(replies)) assert.equal(reply.status, 200);
    const ready = 'loadstone_http_request_duration_seconds_count\\{[^}]*readyz[^}]*\\}';
    const seen = await Promise.all(Array.from({ length: 8 }, () => readMetric(server, ready)));
    assert.equal(new Set(seen).size, 1, seen.join(' '));
    const now = await readMetric(server, 'loadstone_http_request_duration_seconds_count');
    assert(now >= before + 40, `${now} after ${before}`);
    assert.equal(await readMetric(server, 'loadstone_outbox_leading'), 1);
    assert.equal(await readMetric(server, 'loadstone_processes_silent'), 0);
  });

  test('any may be killed or hang under load: only its connections fail, and another takes its place', async () => {
    const load = startLoad(server, code);
    await moreAnswers(load, 200);
    const counted = await readMetric(server, 'loadstone_links_redirects_total');
    const ports = new Set<number>();
    for (const [number, end] of [cut, freeze].entries()) {
      const pid = childrenOf(server).get(number + 1) ?? 0;
      for (const port of end(pid)) ports.add(port);
      await moreAnswers(load, 200);
      await eventually('another listens', () => childrenOf(server).get(number + 1) !== pid);
    }
    assert.match(server.stdout(), / s {2}process 2 \(pid \d+\) did not answer for 5 s, and was killed; /);
    await moreAnswers(load, 200);
    await load.stop();
    assertOnlyCut(load, ports);
    await assertKept(server, load);
    await serving(server, COUNT);
    assert.equal(await readMetric(server, 'loadstone_processes_ended_total'), 2);
    assert((await readMetric(server, 'loadstone_links_redirects_total')) >= counted, 'no sum goes back');
  });

  test('SIGHUP replaces all of them under load, and no request fails', async () => {
    const pids = [...childrenOf(server).values()];
    const load = startLoad(server, code);
    await moreAnswers(load, 200);
    process.kill(server.pid, 'SIGHUP');
    await eventually('all are replaced', () => server.stdout().includes(`  replaced ${COUNT} processes\n`));
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
    writeFileSync(file, `${CONFIG}colour: blue\n`);
    process.kill(server.pid, 'SIGHUP');
    await eventually('it is told', () => /process 1 is not replaced, .*colour/.test(server.stdout()));
    writeFileSync(file, CONFIG);
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

  test('SIGKILL of the supervisor leaves nothing; a start right after finds all; Ctrl-C is a clean stop', async () => {
    await server.kill9();
    const next = await start(server.key);
    assert.equal(await next.follow(code), 'https://example.com/kept');
    assert.doesNotMatch(next.stdout(), /API key/);
    const known = new Set([next.pid, ...childrenOf(next).values()]);
    assert.equal(known.size, COUNT + 1);
    for (const pid of childrenOf(server).values()) assert(!processesIn(data).includes(pid));
    // As a terminal does: to all of them.
    process.kill(-next.pid, 'SIGINT');
    assert.deepEqual(await next.exited(), CLEAN);
    assert.match(next.stdout(), /stopping\n.*stopped\n$/);
    await eventually('nothing is left', () => processesIn(data).length === 0);
    await noPostgresIn(data);
  });
});

test('a busy port is told as by one process, before anything else is started', async (t) => {
  const scene = createScene(t);
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
