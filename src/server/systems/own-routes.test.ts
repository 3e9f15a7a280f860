/**
 * What the server tells of itself, and to whom.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Clock, systemClock } from '#base/clock';
import { eventually } from '#base/testing/eventually.fixture';
import { TRUST_MS } from '#blocks/identity';
import { startTestPostgres } from '#fixtures/database';
import { problem, startTestServer } from '../server.fixture.ts';

const WRONG = { authorization: 'Bearer a-key-that-is-nobodys-0123456789' };
const masterKey = Buffer.alloc(32, 7).toString('base64url');

/** A clock that the test can move on, as if that much time had passed. */
function createAdvancedClock(): Clock & { advance(ms: number): void } {
  let aheadMs = 0;
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + aheadMs,
    advance(ms) {
      aheadMs += ms;
    },
  };
}

describe('what the server tells of itself', () => {
  test('reasons are told to a key that was known, however long the database has been gone', async () => {
    const postgres = await startTestPostgres();
    const clock = createAdvancedClock();
    const options = { database: { primary: await postgres.makeDatabase() } };
    const it = await startTestServer({ options, clock, masterKey });
    try {
      const ready = await it.call('/readyz');
      const told = Object.keys((await ready.json()) as object);
      assert.deepEqual([ready.status, told], [200, ['status', 'queues', 'warnings']]);
      await postgres.stop();
      await eventually(
        'the database is missed',
        async () => (await fetch(`${it.url}/readyz`)).status === 503,
      );
      for (const advancedMs of [0, TRUST_MS, 3_600_000]) {
        clock.advance(advancedMs);
        for (const path of ['/readyz', '/health']) {
          const failing = await it.call(path);
          assert.equal(failing.status, 503);
          assert.match(
            String((await problem(failing)).detail),
            /database cannot be reached/,
            `${path} ${advancedMs}`,
          );
        }
      }
      for (const headers of [{}, WRONG]) {
        const untold = await fetch(`${it.url}/readyz`, { headers });
        assert.deepEqual([untold.status, (await problem(untold)).detail], [503, undefined]);
      }
      assert.equal((await it.call('/v1/links')).status, 503, 'for anything else the key is asked for');
      assert.equal((await fetch(`${it.url}/metrics`)).status, 200, 'open on this machine');
      for (const name of ['x-forwarded-for', 'forwarded', 'x-real-ip']) {
        const proxied = await fetch(`${it.url}/metrics`, { headers: { [name]: '127.0.0.1' } });
        assert.deepEqual([proxied.status, (await problem(proxied)).code], [401, 'unauthenticated'], name);
      }
    } finally {
      await it.stop();
    }
  });

  test('metrics for keys only, wherever the caller is; wrong keys change no answer of health', async () => {
    const options = { http: { metricsAccess: 'key' }, identity: { unknownKeys: { quota: 1 } } };
    const it = await startTestServer({ options });
    try {
      assert.equal((await it.call('/v1/links')).status, 200);
      for (const headers of [{}, WRONG]) {
        const response = await fetch(`${it.url}/metrics`, { headers });
        assert.deepEqual([response.status, (await problem(response)).code], [401, 'unauthenticated']);
      }
      for (let i = 0; i < 5; i++) {
        const headers = { authorization: `${WRONG.authorization}-${i}` };
        const health = await fetch(`${it.url}/readyz`, { headers });
        assert.deepEqual([health.status, await health.json()], [200, { status: 'ok' }]);
      }
      const refused = await fetch(`${it.url}/v1/links`, {
        headers: { authorization: `${WRONG.authorization}-more` },
      });
      assert.deepEqual([refused.status, (await problem(refused)).code], [429, 'rate_limited']);
      assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
      assert.equal(refused.headers.get('ratelimit-policy'), '"unknown-keys";q=1;w=10');
      assert.match(refused.headers.get('ratelimit') ?? '', /^"unknown-keys";r=0;t=\d+$/);
      const metrics = await it.call('/metrics');
      assert.equal(metrics.status, 200, 'a known key goes on');
      assert.match(
        await metrics.text(),
        /loadstone_limiter_decisions_total\{limit="unknown_keys",result="refused"\} [1-9]/,
      );
    } finally {
      await it.stop();
    }
  });

  test('behind trusted proxies the client has the budget, and not the proxy', async () => {
    const options = { trustedProxies: ['127.0.0.1'], identity: { unknownKeys: { quota: 1 } } };
    const it = await startTestServer({ options });
    let count = 0;
    const from = async (client: string) => {
      count += 1;
      const headers = { authorization: `${WRONG.authorization}-${count}`, 'x-forwarded-for': client };
      return (await fetch(`${it.url}/v1/links`, { headers })).status;
    };
    try {
      assert.deepEqual([await from('203.0.113.9'), await from('203.0.113.9')], [401, 429]);
      assert.deepEqual([await from('203.0.113.8'), await from('198.51.100.1, 203.0.113.8')], [401, 429]);
      assert.deepEqual([await from('2001:db8::1'), await from('2001:db8::2')], [401, 429]);
    } finally {
      await it.stop();
    }
  });
});
