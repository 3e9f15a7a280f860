/**
 * On real servers: as they are, killed, paused, and behind a cable that was pulled.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { createRing } from '#blocks/ring';
import { createPartition, redisTest, startRedis, startRedisCluster } from './fixture.ts';
import { redisOptions } from './options.ts';
import { createRedis, type Redis } from './redis.ts';
import { createScript } from './script.ts';
import { slotOf } from './slot.ts';

const never = () => new AbortController().signal;
const metrics = createMetrics();

/** Quick to give up, and to come back. */
const QUICK = {
  commandMsMax: 100,
  reconnectMsMax: 100,
  breaker: { failuresInRow: 3, openMs: 50, openMsMax: 100, probesNeeded: 1 },
};

async function withRedis(options: object, use: (redis: Redis) => Promise<void>): Promise<void> {
  const deps = { clock: systemClock, random: systemRandom, log: silentLog, metrics };
  const redis = createRedis(parseOptions(redisOptions, options), deps);
  await redis.start(never());
  try {
    await use(redis);
  } finally {
    await redis.stop(never());
  }
}

const get = (redis: Redis, key: string) => redis.run(key, ['GET', key]);
const set = (redis: Redis, key: string, value: string) => redis.run(key, ['SET', key, value]);
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'ok',
    (error: { code?: string }) => error.code,
  );

describe('without a server', () => {
  lifecycleSuite('redis', async () =>
    createRedis(parseOptions(redisOptions, { connectMsMax: 50, urls: ['redis://127.0.0.1:1'] }), {
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      metrics: createMetrics(),
    }),
  );

  test('what is no way to a server is said', () => {
    for (const url of ['http://127.0.0.1', '127.0.0.1:6379', 'redis://']) {
      assert.throws(() => parseOptions(redisOptions, { urls: [url] }), { code: 'option_invalid' });
    }
  });
});

describe('one server', () => {
  redisTest('commands, bytes, scripts and refusals', async () => {
    const server = await startRedis();
    await withRedis({ ...QUICK, commandMsMax: 10_000, urls: [server.url] }, async (redis) => {
      assert.equal(await set(redis, 'a', 'ß'), 'OK');
      assert.equal(await get(redis, 'a'), 'ß');
      assert.equal(await get(redis, 'none'), null);
      await redis.run('b', ['SET', 'b', Buffer.from('bytes')]);
      assert.equal(await redis.run('b', ['STRLEN', 'b']), 5);
      const script = createScript('return {KEYS[1], tonumber(ARGV[1]) + 1}');
      for (let i = 0; i < 2; i++)
        assert.deepEqual(await redis.runScript('a', script, { keys: ['a'], args: ['41'] }), ['a', 42]);
      server.ask('SCRIPT', 'FLUSH');
      assert.deepEqual(await redis.runScript('a', script, { keys: ['a'], args: ['1'] }), ['a', 2]);
      for (let i = 0; i < 5; i++)
        await assert.rejects(redis.run('a', ['LPUSH', 'a', '1']), {
          code: 'redis_refused',
          message: /WRONGTYPE/,
        });
      assert.equal(await get(redis, 'a'), 'ß', 'refusals are answers, and open no breaker');
      // The two that told that a script was not known are among them.
      assert.match(
        await metrics.registry.metrics(),
        new RegExp(
          `loadstone_redis_commands_total\\{server="127.0.0.1:${server.port}",result="redis_refused"\\} 7`,
        ),
      );
    });
    await server.stop();
  });

  redisTest('killed: refused at once, and there again by itself after a restart', async () => {
    const server = await startRedis();
    await withRedis({ ...QUICK, urls: [server.url] }, async (redis) => {
      await eventually('an answer', async () => (await codeOf(set(redis, 'a', '1'))) === 'ok');
      await server.kill();
      await eventually('the breaker is open', async () => (await codeOf(get(redis, 'a'))) === 'breaker_open');
      await server.restart();
      await eventually('it answers', async () => (await codeOf(get(redis, 'a'))) === 'ok');
      assert.equal(await get(redis, 'a'), null, 'nothing was kept, and nothing sent again');
    });
    await server.stop();
  });

  redisTest('not there at the start: starts all the same, and finds it later', async () => {
    const server = await startRedis();
    await server.kill();
    await withRedis({ ...QUICK, connectMsMax: 100, urls: [server.url] }, async (redis) => {
      assert.equal(await codeOf(get(redis, 'a')), 'redis_unavailable');
      await server.restart();
      await eventually('it answers', async () => (await codeOf(get(redis, 'a'))) === 'ok');
    });
    await server.stop();
  });

  redisTest('paused: commands end by their deadline, then at once; resumed it is asked again', async () => {
    const server = await startRedis();
    await withRedis({ ...QUICK, urls: [server.url] }, async (redis) => {
      await eventually('an answer', async () => (await codeOf(set(redis, 'a', '1'))) === 'ok');
      server.pause();
      const codes = new Set<string | undefined>();
      await eventually('the breaker is open', async () => {
        codes.add(await codeOf(get(redis, 'a')));
        return codes.has('breaker_open');
      });
      assert(codes.has('redis_timeout'), [...codes].join());
      server.resume();
      await eventually('it answers', async () => (await codeOf(get(redis, 'a'))) === 'ok');
      assert.equal(await get(redis, 'a'), '1', 'late answers are given to nobody else');
    });
    await server.stop();
  });

  redisTest('partitioned: as paused; a connection that stays silent is replaced', async () => {
    const server = await startRedis();
    const partition = await createPartition(server.port);
    const options = {
      ...QUICK,
      silentMsMax: 300,
      breaker: { ...QUICK.breaker, openMs: 500, openMsMax: 1000 },
    };
    await withRedis({ ...options, urls: [partition.url] }, async (redis) => {
      await eventually('an answer', async () => (await codeOf(set(redis, 'a', '1'))) === 'ok');
      partition.cut();
      await eventually(
        'the connection is given up',
        async () => (await codeOf(get(redis, 'a'))) === 'redis_unavailable',
      );
      partition.heal();
      await eventually('it answers', async () => (await codeOf(get(redis, 'a'))) === 'ok');
      assert.equal(await get(redis, 'a'), '1');
    });
    await partition.stop();
    await server.stop();
  });
});

describe('several servers', () => {
  redisTest('keys are where the ring says; one that is gone takes only its own along', async () => {
    const servers = [await startRedis(), await startRedis(), await startRedis()];
    const urls = servers.map(({ url }) => url);
    await withRedis({ ...QUICK, urls }, async (redis) => {
      const names = servers.map(({ port }) => ({ name: `127.0.0.1:${port}` }));
      const ring = createRing(parseOptions(redisOptions, {}).placement, names);
      const keys = Array.from({ length: 60 }, (_, i) => `key:${i}`);
      for (const key of keys) {
        assert.equal(redis.serverOf(key), ring.nodeOf(key));
        await eventually('an answer', async () => (await codeOf(set(redis, key, key))) === 'ok');
      }
      for (const [i, server] of servers.entries()) {
        assert.equal(Number(server.ask('DBSIZE')), keys.filter((key) => ring.indexOf(key) === i).length);
      }
      await servers[0]?.kill();
      for (const key of keys) {
        if (ring.indexOf(key) === 0) assert.notEqual(await codeOf(get(redis, key)), 'ok');
        else await eventually('an answer', async () => (await get(redis, key)) === key);
      }
    });
    await Promise.all(servers.map((server) => server.stop()));
  });
});

describe('a Cluster', () => {
  redisTest('keys are where it says; one that hangs takes only its own along', async () => {
    const cluster = await startRedisCluster();
    const { servers } = cluster;
    for (const key of ['a', 'user:{42}:x', '{}b', '{a', 'a}{b}', 'ß', '{ß}']) {
      assert.equal(slotOf(key), Number(servers[0]?.ask('CLUSTER', 'KEYSLOT', key)), key);
    }
    const urls = servers.slice(0, 1).map(({ url }) => url);
    await withRedis({ ...QUICK, isCluster: true, connectMsMax: 5000, urls }, async (redis) => {
      const keys = Array.from({ length: 60 }, (_, i) => `key:${i}`);
      for (const key of keys)
        await eventually('an answer', async () => (await codeOf(set(redis, key, key))) === 'ok');
      const owners = new Set(keys.map((key) => redis.serverOf(key)));
      assert.deepEqual([...owners].sort(), servers.map(({ port }) => `127.0.0.1:${port}`).sort());
      const [, hanging] = servers;
      hanging?.pause();
      for (const key of keys) {
        if (redis.serverOf(key) === `127.0.0.1:${hanging?.port}`)
          assert.notEqual(await codeOf(get(redis, key)), 'ok');
        else await eventually('an answer', async () => (await get(redis, key)) === key);
      }
      hanging?.resume();
      for (const key of keys) await eventually('an answer', async () => (await get(redis, key)) === key);
    });
    await cluster.stop();
  });
});
