/**
 * Raw routes have what other routes have.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { problem, startTestServer, type TestServer } from '../server.fixture.ts';

const ORIGIN = 'https://app.example';
const SYSTEM = join(import.meta.dirname, 'system.fixture.ts');

describe('raw routes', () => {
  let it: TestServer;
  before(async () => {
    it = await startTestServer({
      systems: ['links', SYSTEM],
      options: {
        http: { cors: { origins: [ORIGIN] }, requestTimeoutMs: 300, bodyBytesMax: 1024 },
        log: { rawSampleEvery: 2 },
        identity: { unknownKeys: { quota: 5, windowMs: 600_000 } },
      },
    });
  });
  after(() => it.stop());

  const anonymous = (path: string, init: RequestInit = {}) => fetch(`${it.url}${path}`, init);
  const counted = async (route: string, status: number, method = 'GET') => {
    const text = await (await it.call('/metrics')).text();
    const line = `loadstone_http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"} `;
    return Number(
      text
        .split('\n')
        .find((each) => each.startsWith(line))
        ?.slice(line.length) ?? 0,
    );
  };
  const linesOf = (route: string) => it.logs.filter((line) => line.route === route);

  test('are answered with trace headers, HEAD like GET, and measured under their label', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const get = await anonymous('/shelves/top?x=1', { headers: { traceparent, tracestate: 'a=b' } });
    assert.equal(await get.text(), 'open top');
    assert.equal(get.headers.get('traceparent')?.slice(3, 35), 'a'.repeat(32));
    assert.equal(get.headers.get('tracestate'), 'a=b');
    const head = await anonymous('/shelves/top', { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    const counts = async () => [
      await counted('/shelves/:shelf', 200),
      await counted('/shelves/:shelf', 200, 'HEAD'),
    ];
    assert.deepEqual(await counts(), [1, 1]);
    const lines = linesOf('/shelves/:shelf');
    assert.equal(lines.length, 1, 'one in two');
    assert.equal(lines[0]?.sampledEvery, 2);
  });

  test('with another method are 405 with Allow', async () => {
    const response = await anonymous('/shelves/top', { method: 'DELETE' });
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'GET, HEAD']);
    assert.equal((await problem(response)).code, 'method_not_allowed');
    const put = await it.call('/v1/shelves/top/box');
    assert.deepEqual([put.status, put.headers.get('allow')], [405, 'PUT']);
  });

  test('refuse with problem documents, and pages for people outside of the API', async () => {
    const refused = await anonymous('/shelves/empty');
    const document = await problem(refused);
    assert.deepEqual([refused.status, document.code, document.detail], [409, 'shelf_empty', 'nothing here']);
    assert.equal(refused.headers.get('traceparent')?.slice(3, 35), document.traceId);
    const page = await anonymous('/shelves/empty', { headers: { accept: 'text/html' } });
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    await page.text();
    const line = linesOf('/shelves/:shelf').findLast(({ status }) => status === 409);
    assert.equal(line?.code, 'shelf_empty');
    assert.equal(await counted('/shelves/:shelf', 409), 2);
  });

  test('what they leave to others is not found', async () => {
    const response = await anonymous('/shelves/unknown');
    assert.deepEqual([response.status, (await problem(response)).code], [404, 'not_found']);
  });

  test('what they throw is a 500, and what hangs is ended by the deadline', async () => {
    for (const path of ['/shelves/throws', '/shelves/rejects']) {
      const response = await anonymous(path);
      assert.deepEqual([response.status, (await problem(response)).code], [500, 'internal']);
    }
    assert(it.logs.some((line) => JSON.stringify(line).includes('a defect')));
    const hanging = await anonymous('/shelves/hangs');
    assert.deepEqual([hanging.status, (await problem(hanging)).code], [504, 'deadline_exceeded']);
  });

  test('a client that goes before its answer counts as 499', async () => {
    const seen = it.logs.length;
    const socket = connect(it.port, '127.0.0.1');
    socket.write('GET /shelves/hangs HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually('it is worked on', () => it.logs.slice(seen).some(({ shelf }) => shelf === 'hangs'));
    socket.resetAndDestroy();
    await eventually('it is counted', async () => (await counted('/shelves/:shelf', 499)) === 1);
  });

  test('that need a key are as other routes: 401, the same limit, the same place under /v1', async () => {
    const read = await it.call('/v1/shelves/top');
    assert.match(await read.text(), /^top of /);
    const without = await anonymous('/v1/shelves/top', { headers: { origin: ORIGIN } });
    assert.equal(without.headers.get('www-authenticate'), 'Bearer');
    assert.equal(without.headers.get('access-control-allow-origin'), ORIGIN);
    assert.equal((await problem(without)).code, 'unauthenticated');
    assert.deepEqual(await (await it.call('/v1/shelves/counts')).json(), { framework: true });
    const wrong = (key: number | string) => ({ authorization: `Bearer none-that-anybody-has-made-${key}` });
    const statuses = [];
    for (let i = 0; i < 12; i++) {
      const path = i % 2 === 0 ? '/v1/shelves/top' : '/v1/links';
      statuses.push((await anonymous(path, { headers: wrong(i) })).status);
    }
    assert.equal(statuses.at(-1), 429, statuses.join(' '));
    assert.equal((await anonymous('/v1/shelves/top', { headers: wrong('last') })).status, 429);
    assert.equal((await it.call('/v1/shelves/top')).status, 200);
  });

  test('bodies are read, bounded and validated before the handler runs', async () => {
    const send = (body: string, headers: Record<string, string> = {}) =>
      it.call('/v1/shelves/top/box', {
        method: 'PUT',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      });
    const put = await send('{"size": 3}');
    assert.deepEqual([put.status, await put.text()], [200, 'a box of 3']);
    const cases: [string, Record<string, string>, string][] = [
      ['{"size": 0}', {}, 'request_invalid'],
      ['{"size": 1', {}, 'json_malformed'],
      ['{"size": 1}', { 'content-type': 'text/plain' }, 'media_type_unsupported'],
      ['{"size": 1}', { 'content-encoding': 'gzip' }, 'content_coding_unsupported'],
      [`{"size": ${'1'.repeat(2000)}}`, {}, 'body_too_large'],
    ];
    for (const [body, headers, code] of cases)
      assert.equal((await problem(await send(body, headers))).code, code);
    const anonymousPut = await anonymous('/v1/shelves/top/box', { method: 'PUT', body: '{}' });
    assert.equal(anonymousPut.status, 401);
  });

  test('pages of other origins may read those under /v1, preflights included, and no others', async () => {
    const headers = { origin: ORIGIN };
    const read = await it.call('/v1/shelves/top', { headers });
    assert.equal(read.headers.get('access-control-allow-origin'), ORIGIN);
    assert.match(read.headers.get('access-control-expose-headers') ?? '', /Deprecation/);
    const preflight = await anonymous('/v1/shelves/top', {
      method: 'OPTIONS',
      headers: { ...headers, 'access-control-request-method': 'GET' },
    });
    assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, ORIGIN]);
    const outside = await anonymous('/shelves/top', { headers });
    assert.equal(outside.headers.get('access-control-allow-origin'), null);
  });

  test('what the listener itself refuses can be read by pages too', async () => {
    const received = await it.raw(
      `GET /v1/links HTTP/1.1\r\nOrigin: ${ORIGIN}\r\nTransfer-Encoding: gzip\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    assert.match(received, /^HTTP\/1\.1 (?:400|501) /);
    assert.match(received, new RegExp(`access-control-allow-origin: ${ORIGIN}\r\n`));
  });

  test('their end is told by every answer, and in OpenAPI', async () => {
    for (const path of ['/shelves/top', '/shelves/empty', '/shelves/throws'])
      assert.equal((await anonymous(path)).headers.get('deprecation'), '@1767225600', path);
    const { paths } = (await (await anonymous('/openapi.json')).json()) as {
      paths: Record<string, Record<string, { deprecated?: true; security?: object[]; responses: object }>>;
    };
    assert.equal(paths['/shelves/{shelf}']?.get?.deprecated, true);
    assert.deepEqual(paths['/shelves/{shelf}']?.get?.security, []);
    const keyed = paths['/v1/shelves/{shelf}']?.get;
    assert(keyed && keyed.security === undefined && '401' in keyed.responses);
  });
});
