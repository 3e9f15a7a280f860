/**
 * The corpora of the links system through a whole server: real URLs survive, hostile input is refused politely.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { problem, startTestServer, type TestServer } from '#server/server.fixture';
import { hostileBodies, readRealUrls } from '../fixture.ts';

const realUrls = readRealUrls();

const CONCURRENT = 16;

describe('corpora', () => {
  let it: TestServer;
  before(async () => {
    it = await startTestServer();
  });
  after(() => it.stop());

  test(`${realUrls.length} real URLs: each redirect's Location is the normalised input`, async () => {
    assert(realUrls.length >= 1000);
    const waiting = realUrls.values();
    const work = async () => {
      for (const url of waiting) {
        const made = await it.send('POST', '/v1/shorten', { url });
        assert.equal(made.status, 201, `${url}: ${await made.clone().text()}`);
        const { code } = (await made.json()) as { code: string };
        const redirect = await it.call(`/${code}`);
        assert.equal(redirect.status, 302);
        assert.equal(redirect.headers.get('location'), new URL(url).href);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT }, work));
  });

  test(`${hostileBodies.length} hostile bodies: each gets its problem document, never a 5xx`, async () => {
    assert(hostileBodies.length >= 60);
    const own = new URL(it.server.publicUrl).host;
    for (const { name, path, body, contentType, expectStatus, expectCode } of hostileBodies) {
      const filled =
        typeof body === 'string' ? body.replaceAll('{own}', own).replaceAll('{port}', String(it.port)) : body;
      const headers: Record<string, string> =
        contentType === null ? {} : { 'content-type': contentType ?? 'application/json' };
      const response = await it.call(path, { method: 'POST', body: Buffer.from(filled), headers });
      const refused = await problem(response);
      assert.deepEqual(
        [response.status, refused.code],
        [expectStatus, expectCode],
        `${name}: ${JSON.stringify(refused)}`,
      );
      assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
      if (expectStatus === 422) assert(Array.isArray(refused.errors), `${name} names no field`);
    }
    assert.equal((await it.call('/readyz')).status, 200);
  });
});
