import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createManualClock } from '#base/clock';
import { createMetrics } from '#base/metrics';
import { createLimiter } from './limiter.ts';
import { networkOf } from './network.ts';

describe('limiter', () => {
  test('a refusal says which policy, what is left and when to come again; who does is let through', async () => {
    const clock = createManualClock();
    const metrics = createMetrics();
    const limiter = createLimiter(
      { name: 'unknown-keys', what: 'unknown keys', quota: 5, windowMs: 10_000, keysMax: 10 },
      { clock, metrics },
    );
    for (let i = 0; i < 5; i++) assert(limiter.take('a').isAllowed);
    clock.advance(500);
    const error = limiter.refusal(limiter.take('a'));
    assert.deepEqual([error.code, error.status, error.retryable], ['rate_limited', 429, true]);
    assert.equal(error.retryAfterS, 2);
    assert.deepEqual(error.headers, {
      'ratelimit-policy': '"unknown-keys";q=5;w=10',
      ratelimit: '"unknown-keys";r=0;t=2',
    });
    clock.advance(2000);
    assert(limiter.take('a').isAllowed);
    limiter.giveBack('a');
    assert(limiter.take('a').isAllowed);
    const text = await metrics.registry.metrics();
    assert.match(text, /loadstone_limiter_decisions_total\{limit="unknown_keys",result="refused"\} 1\n/);
    assert.match(text, /loadstone_limiter_keys\{limit="unknown_keys"\} 1\n/);
  });

  test('addresses: IPv4 as it is, also when written as IPv6; IPv6 by its /64', () => {
    for (const [address, network] of [
      ['203.0.113.9', '203.0.113.9'],
      ['::ffff:203.0.113.9', '203.0.113.9'],
      ['::FFFF:203.0.113.9', '203.0.113.9'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
      ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
      ['2001:DB8:0001:0002::', '2001:db8:1:2::/64'],
      ['2001:db8:1:2:ffff:ffff:192.0.2.1', '2001:db8:1:2::/64'],
      ['2001:db8::1', '2001:db8:0:0::/64'],
      ['2001:db8::5:6:7:8', '2001:db8:0:0::/64'],
      ['2001:db8::4:5:6:7:8', '2001:db8:0:4::/64'],
      ['::1', '0:0:0:0::/64'],
      ['::', '0:0:0:0::/64'],
      ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
      ['unknown', 'unknown'],
      ['', ''],
      ['x'.repeat(100), 'x'.repeat(64)],
    ] as const) {
      assert.equal(networkOf(address), network, address);
    }
  });
});
