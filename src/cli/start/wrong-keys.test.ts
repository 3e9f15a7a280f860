/**
 * What callers without a key may cause a real server: nothing that others would notice. Every wrong key and every unknown
 * code is looked up here, since the limit on addresses is set out of the way: it would hide what is behind it.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createScene, FREE_PORT, type Loadstone } from '../process.fixture.ts';
import { startFlood } from '../supervisor/flood.fixture.ts';

const scene = createScene({ after });
const ROUNDS = 5;
const ANSWERS_MIN = 4000;

const head = (path: string, number: number) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a-wrong-key-of-some-length-${number}\r\n\r\n`;

async function assertRedirect(server: Loadstone, code: string, url: string): Promise<void> {
  const response = await server.request(`/${code}`);
  const text = await response.text();
  assert.deepEqual([response.status, response.headers.get('location')], [302, url], text);
}

/** One of everything that the server promises. */
async function honestRound(server: Loadstone, code: string): Promise<void> {
  const ready = await fetch(`${server.url}/readyz`);
  assert.equal(ready.status, 200, await ready.text());
  const made = await server.shorten('https://example.com/meanwhile');
  await assertRedirect(server, made, 'https://example.com/meanwhile');
  await assertRedirect(server, code, 'https://example.com/before');
  assert.equal((await server.request('/v1/links?limit=1')).status, 200);
}

async function isLeading(server: Loadstone): Promise<boolean> {
  const text = await (await server.request('/metrics')).text();
  return /^loadstone_outbox_leading 1$/m.test(text);
}

/** Every time it got a lease, and what it says when it has lost one, or the database. */
function saidOfLeases(server: Loadstone): string[] {
  const lines = server.stderr().split('\n');
  const said = /"msg":"(leading|the lease has passed|worker lost|the database does not answer)/;
  return lines.flatMap((line) => said.exec(line)?.[1] ?? []);
}

describe('callers without a key', () => {
  test('four connections with 400 wrong keys under way each, and 200 unknown codes: all else goes on', async () => {
    const directory = scene.directory();
    const file = join(directory, 'loadstone.yaml');
    const limits = 'identity: {unknownKeys: {quota: 1000000, windowMs: 100}}';
    writeFileSync(file, `${limits}\n`);
    const args = ['--data', join(directory, 'data'), '--listen', FREE_PORT, '--config', file];
    const server = await scene.start({ data: join(directory, 'data'), args });
    const code = await server.shorten('https://example.com/before');
    assert(await isLeading(server));
    const said = saidOfLeases(server);
    assert(said.length > 0 && said.every((each) => each === 'leading'));
    const wrong = startFlood(server.url, {
      connections: 4,
      inFlight: 400,
      request: (number) => head('/v1/links', number),
    });
    const unknown = startFlood(server.url, {
      connections: 1,
      inFlight: 200,
      request: (number) => head(`/x${number.toString(36).padStart(9, '0')}`, number),
    });
    scene.onEnd(wrong.stop);
    scene.onEnd(unknown.stop);
    for (let round = 0; round < ROUNDS || wrong.total() < ANSWERS_MIN; round++) {
      await honestRound(server, code);
    }
    assert(await isLeading(server), 'the relay kept its lease');
    wrong.stop();
    unknown.stop();
    assert.deepEqual([...wrong.answers().keys()], [401], JSON.stringify([...wrong.answers()]));
    assert.deepEqual([...unknown.answers().keys()], [404], JSON.stringify([...unknown.answers()]));
    assert.deepEqual(saidOfLeases(server), said, 'each lease is held since the start');
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  });
});
