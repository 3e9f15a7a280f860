/**
 * Real processes that do nothing but listen, through what may happen to them. With real servers: processes.test.ts.
 */
import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { type Child, followChild } from './child-process.ts';
import { type Children, createChildren } from './children.ts';

const never = new AbortController().signal;

describe('the processes of a supervisor', () => {
  const made: Children[] = [];
  const followed: Child[] = [];

  before(() => cluster.setupPrimary({ exec: join(import.meta.dirname, 'child.fixture.ts') }));
  afterEach(async () => {
    for (const children of made.splice(0)) await children.stop(AbortSignal.timeout(2000));
    for (const child of followed.splice(0)) {
      child.kill();
      await child.exited;
    }
    await eventually('none is left', () => Object.keys(cluster.workers ?? {}).length === 0);
  });
  after(() => cluster.setupPrimary({ exec: process.argv[1], args: [] }));

  const deps = { clock: systemClock, random: systemRandom, log: silentLog, gather: async () => '' };

  function make({ count = 2, args = [] as string[], drainMsMax = 1000, silentMsMax = 60_000 } = {}) {
    const said: string[] = [];
    const report = (line: string) => void said.push(line);
    const children = createChildren(
      { count, args, drainMsMax, silentMsMax },
      { ...deps, report, onEnded: () => {} },
    );
    made.push(children);
    return { children, times: (pattern: RegExp) => said.filter((line) => pattern.test(line)).length };
  }

  function follow(silentMsMax = 60_000, args: string[] = []): Child {
    cluster.setupPrimary({ args });
    const child = followChild(cluster.fork(), { number: 1, silentMsMax }, deps);
    followed.push(child);
    return child;
  }

  test('what one is told before it listens reaches it', async () => {
    const child = follow();
    child.begin();
    await child.ready;
    child.drain();
    assert.equal(await child.exited, 'ended with code 0');
  });

  test('an error on the way to it is not its end, and one that cannot be started has ended', async () => {
    const child = follow();
    child.begin();
    const [worker] = Object.values(cluster.workers ?? {});
    worker?.process.emit('error', new Error('EPIPE'));
    await child.ready;
    child.kill();
    assert.equal(await child.exited, 'was ended by SIGKILL');
    cluster.setupPrimary({ cwd: '/nowhere' });
    const none = follow();
    cluster.setupPrimary({ cwd: undefined });
    await assert.rejects(none.ready, { code: 'child_failed', message: /could not be started: .*ENOENT/ });
    assert(none.hasExited());
  });

  test('one in an endless loop is killed; one that answers is left alone', async () => {
    const [looping, sound] = [follow(2000, ['loops']), follow(2000)];
    for (const child of [looping, sound]) {
      child.begin();
      await child.ready;
    }
    looping.drain();
    assert.equal(await looping.exited, 'did not answer for 2 s, and was killed');
    assert(!sound.hasExited());
  });

  test('asked to be replaced while they start, they are when they have started', async () => {
    const { children, times } = make();
    await children.bindFirst(never);
    const replaced = children.replaceAll();
    void children.replaceAll();
    await children.startAll(never);
    await replaced;
    assert.equal(children.living().length, 2);
    assert.equal(times(/^process \d listens/), 4);
    assert.equal(times(/^replaced 2 processes$/), 1);
    assert.equal(children.crashes(), 0);
  });

  test('told to stop while they start, all end; what was asked for meanwhile is not done', async () => {
    const { children, times } = make({ count: 3 });
    await children.bindFirst(never);
    const replaced = children.replaceAll();
    await children.startAll(AbortSignal.timeout(50)).catch(() => {});
    await children.stop(never);
    await replaced;
    assert.deepEqual(children.living(), []);
    assert.equal(times(/replac/), 0);
  });

  test('stopped while one is replaced, both of its place end, and nothing is said of a failure', async () => {
    const { children, times } = make();
    await children.bindFirst(never);
    await children.startAll(never);
    const replaced = children.replaceAll();
    await eventually('another is being started', () => children.living().length === 3);
    await children.stop(never);
    await replaced;
    assert.deepEqual(children.living(), []);
    assert.equal(times(/is not replaced/), 0);
  });

  test('one that dies while it drains has drained', async () => {
    const { children } = make({ count: 1, args: ['loops'], drainMsMax: 60_000 });
    await children.bindFirst(never);
    await children.startAll(never);
    const [old] = children.living();
    const replaced = children.replaceAll();
    await eventually('it drains', () => children.living().length === 2);
    await eventually('its successor serves', () => children.living().every((child) => child.isReady()));
    old?.kill();
    await replaced;
    assert.equal(children.crashes(), 0);
    await children.stop(AbortSignal.abort());
    assert.deepEqual(children.living(), []);
  });

  test('one that dies as soon as it begins keeps them from starting', async () => {
    const { children } = make({ count: 1, args: ['crashes'] });
    await children.bindFirst(never);
    await assert.rejects(children.startAll(never), { code: 'child_failed', message: /ended with code 7/ });
  });
});
