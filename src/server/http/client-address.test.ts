import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { createClientAddresses } from './client-address.ts';

test('of those who have passed a request on, the first who is not trusted is the caller', () => {
  const { addressOf } = createClientAddresses(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']);
  const caller = (peer: string, forwarded?: string) =>
    addressOf({
      socket: { remoteAddress: peer },
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    } as unknown as IncomingMessage);
  assert.equal(caller('127.0.0.1'), '127.0.0.1');
  assert.equal(caller('127.0.0.1', '203.0.113.9'), '203.0.113.9');
  assert.equal(caller('::ffff:127.0.0.1', '203.0.113.9'), '203.0.113.9');
  assert.equal(caller('127.0.0.1', '203.0.113.9, 198.51.100.7, 10.1.2.3'), '198.51.100.7');
  assert.equal(caller('127.0.0.1', '10.1.1.1, fd00::1'), '10.1.1.1', 'all are trusted: the farthest');
  assert.equal(caller('203.0.113.1', '198.51.100.7'), '203.0.113.1', 'nobody else is believed');
  assert.equal(caller('127.0.0.1', 'no address, 10.0.0.1'), 'no address');
  assert.equal(createClientAddresses([]).addressOf({ socket: {}, headers: {} } as IncomingMessage), '');
});
