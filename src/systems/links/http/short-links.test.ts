/**
 * The raw path of `/{code}`: which addresses are the same, and what its answers leave in the log.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestServer, type TestServer } from '#server/server.fixture';

interface Line {
  route?: string;
  status?: number;
  leftOut?: number;
}

const TARGET = 'https://example.com/there';

describe('short links', () => {
  let it: TestServer;
  before(async () => {
    it = await startTestServer({ options: { log: { anonymousLinesPerSMax: 3 } } });
    for (const alias of ['My-alias', 'Abc_123']) await it.send('POST', '/v1/links', { url: TARGET, alias });
  });
  after(() => it.stop());

  const statusOf = async (path: string, method = 'GET') => {
    const response = await it.raw(`${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    if (/^HTTP\/1.1 30/.test(response)) assert(response.includes(`location: ${TARGET}\r\n`));
    return Number(response.slice(9, 12));
  };

  // The first, since what is left out is counted over all of them.
  test('of what anyone can cause the log has a few lines a second, and the metrics all', async () => {
    const refused = async (status: number) => {
      const metrics = await (await it.call('/metrics')).text();
      return Number(
        new RegExp(
          `loadstone_http_request_duration_seconds_count\\{[^}]*route="(?:/:code|unknown)",status="${status}"\\} (\\d+)`,
        ).exec(metrics)?.[1] ?? 0,
      );
    };
    const floods: [number, string, string, string][] = [
      [404, 'GET', '/no-such-code', '/:code'],
      [405, 'DELETE', '/no-such-code', '/{}'],
      [401, 'GET', '/v1/links', '/v1/links'],
    ];
    for (const [status, method, path, route] of floods) {
      const [before, from] = [await refused(status), it.logs.length];
      const count = 400;
      const request = `${method} ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
      const received = await it.raw(
        `${request.repeat(count - 1)}${request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`,
      );
      assert.equal(received.split(`HTTP/1.1 ${status} `).length - 1, count);
      const lines = (it.logs.slice(from) as Line[]).filter(
        (line) => line.route === route && line.status === status,
      );
      const told = lines.reduce((sum, { leftOut = 0 }) => sum + 1 + leftOut, 0);
      assert(lines.length >= 1 && lines.length <= count / 2, `${lines.length} lines of ${status}`);
      assert(told <= count, 'no more is told of than there was');
      if (status !== 401) assert.equal((await refused(status)) - before, count);
    }
  });

  test('percent-encoded unreserved characters are the same address, and a slash at the end is left out', async () => {
    const same = [
      '/My-alias',
      '/My%2Dalias',
      '/My%2dalias',
      '/%4d%79%2D%61%6C%69as',
      '/Abc%5F123',
      '/%41bc_%3123',
    ];
    for (const path of same) {
      for (const target of [
        path,
        `${path}/`,
        `${path}?a=%20`,
        `${path}/?a=b/`,
        `http://other.example${path}`,
      ]) {
        assert.equal(await statusOf(target), 302, target);
      }
      assert.equal(await statusOf(path, 'HEAD'), 302, path);
      assert.equal(await statusOf(path, 'POST'), 405, path);
    }
    for (const path of [
      '/My%2Falias',
      '/My-alias%20',
      '/%20My-alias',
      '/My-alias%2F',
      '/My%252Dalias',
      '/My-alias//',
      '/My-alias/x',
      '//My-alias',
      '/my%2Dalias',
    ])
      assert.equal(await statusOf(path), 404, path);
    for (const path of ['/My-alias%', '/My-alias%zz']) assert.equal(await statusOf(path), 400, path);
  });

  test('a link that is changed is changed at each of its addresses', async () => {
    const made = (await (await it.send('POST', '/v1/links', { url: TARGET, alias: 'moves-on' })).json()) as {
      id: string;
    };
    assert.equal(await statusOf('/moves%2Don/'), 302);
    await it.call(`/v1/links/${made.id}`, { method: 'DELETE' });
    assert.equal(await statusOf('/moves%2Don/'), 410);
  });
});

test('where the option says so, a slash at the end makes another address', async () => {
  const it = await startTestServer({ systemOptions: { links: { trailingSlash: 'not_found' } } });
  try {
    await it.send('POST', '/v1/links', { url: TARGET, alias: 'My-alias' });
    assert.equal((await it.call('/My-alias')).status, 302);
    assert.equal((await it.call('/My%2Dalias')).status, 302);
    assert.equal((await it.call('/My-alias/')).status, 404);
  } finally {
    await it.stop();
  }
});
