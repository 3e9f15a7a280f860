/**
 * Four processes through what may happen to them, by seed: killed, replaced, stopped and continued, the supervisor among
 * them, under load throughout. LOADSTONE_SEED repeats a run, LOADSTONE_RUNS makes it longer.
 */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Random, seededRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { readSeed } from '#base/testing/seed.fixture';
import {
  BOOTSTRAP,
  createScene,
  FREE_PORT,
  type Loadstone,
  noPostgresIn,
  processesIn,
  ROOT,
} from '../process.fixture.ts';
import {
  assertKept,
  assertOnlyCut,
  childrenOf,
  cut,
  moreAnswers,
  queueUp,
  serving,
  startLoad,
} from './processes.fixture.ts';

const COUNT = 4;
const RUNS = Number(process.env.LOADSTONE_RUNS ?? 10);
const KEY = 'a-root-key-for-the-campaign-of-processes';

type Step = (server: Loadstone, code: string, random: Random) => Promise<void>;

const pick = <T>(items: readonly T[], random: Random): T =>
  items[Math.floor(random.fraction() * items.length)] as T;

async function killSome(server: Loadstone, code: string, random: Random): Promise<void> {
  const load = startLoad(server, code, 12);
  await moreAnswers(load, 200);
  const ports = new Set<number>();
  const kills = 1 + Math.floor(random.fraction() * 3);
  for (let kill = 0; kill < kills; kill++) {
    const [number, pid] = pick([...childrenOf(server)], random);
    if (processesIn(server.data).includes(pid)) for (const port of cut(pid)) ports.add(port);
    await moreAnswers(load, Math.floor(random.fraction() * 300));
    await eventually('another listens', () => childrenOf(server).get(number) !== pid);
  }
  await moreAnswers(load, 100);
  await load.stop();
  assertOnlyCut(load, ports);
  await assertKept(server, load);
}

async function replaceAll(server: Loadstone, code: string, random: Random): Promise<void> {
  const load = startLoad(server, code, 12);
  await moreAnswers(load, Math.floor(random.fraction() * 300));
  const done = () => server.stdout().split(`  replaced ${COUNT} processes\n`).length;
  const before = done();
  process.kill(server.pid, 'SIGHUP');
  await eventually('all are replaced', () => done() > before);
  await moreAnswers(load, 100);
  await load.stop();
  assert.deepEqual(load.failures, []);
  await assertKept(server, load);
}

/** One is killed while they are being replaced: what was to be done is done. */
async function killWhileReplacing(server: Loadstone, code: string, random: Random): Promise<void> {
  const load = startLoad(server, code, 12);
  const before = server.stdout().length;
  process.kill(server.pid, 'SIGHUP');
  await moreAnswers(load, Math.floor(random.fraction() * 2000));
  const ports = cut(pick([...childrenOf(server).values()], random));
  await eventually('the replacing has ended', () =>
    /replaced 4 processes|is not replaced/.test(server.stdout().slice(before)),
  );
  await moreAnswers(load, 100);
  await load.stop();
  assertOnlyCut(load, ports);
  await assertKept(server, load);
}

async function queued(server: Loadstone, code: string, random: Random): Promise<void> {
  const pids = [...childrenOf(server).values()];
  const kept = pick(pids, random);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  const asked = await queueUp(server, code, 100);
  for (const pid of pids) if (pid !== kept) process.kill(pid, 'SIGKILL');
  process.kill(kept, 'SIGCONT');
  const answers = await Promise.all(asked);
  assert(answers.every(({ status }) => status === 302));
}

const STEPS: readonly Step[] = [killSome, replaceAll, killWhileReplacing, queued];

test('a campaign', async (t) => {
  const seed = readSeed();
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const scene = createScene(t);
  const data = join(scene.directory(), 'data');
  const start = () =>
    scene.start({
      data,
      key: KEY,
      env: { LOADSTONE_ROOT_KEY: KEY },
      args: ['--data', data, '--listen', FREE_PORT, '--processes', String(COUNT)],
    });
  let server = await start();
  const code = await server.shorten('https://example.com/kept');
  for (let run = 0; run < RUNS; run++) {
    const step = pick(STEPS, random);
    t.diagnostic(`run ${run}: ${step.name}`);
    await step(server, code, random);
    await serving(server, COUNT);
    if (random.fraction() > 0.2) continue;
    t.diagnostic(`run ${run}: the supervisor is killed`);
    const left = [...childrenOf(server).values()];
    await server.kill9();
    server = await start();
    for (const pid of left) assert(!processesIn(data).includes(pid), `${pid} is left`);
    assert.equal(await server.follow(code), 'https://example.com/kept');
  }
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  await eventually('nothing is left', () => processesIn(data).length === 0);
  await noPostgresIn(data);
});

test('a terminal that goes away stops all of them', {
  skip: process.platform !== 'linux' && 'script(1) is that of util-linux',
}, async (t) => {
  const scene = createScene(t);
  const data = join(scene.directory(), 'data');
  const line = [...BOOTSTRAP, 'start', '--data', data, '--listen', FREE_PORT, '--processes', '2'].join(' ');
  const command = ['script', '-qfec', `cd ${ROOT} && exec ${line}`, '/dev/null'] as const;
  const terminal = scene.spawn([], { command: [...command], detached: true });
  await eventually('it listens', () => terminal.stdout().includes(' s  listening'));
  await eventually('all is said', () => terminal.stdout().includes('data directory'));
  process.kill(terminal.pid, 'SIGKILL');
  await eventually('nothing is left', () => processesIn(data).length === 0);
  await noPostgresIn(data);
});
