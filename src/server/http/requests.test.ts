/**
 * Requests as RFC 9110 and RFC 9112 have them, at a whole server: what is read of them, what is refused, and what is answered
 * before anything else happens.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sleep, systemClock } from '#base/clock';
import { problem, startTestServer, type TestServer } from '../server.fixture.ts';
import { openClient } from './listener.fixture.ts';

const PAGE = 'https://app.example.com';

describe('requests', () => {
  let it: TestServer;
  let authorization: string;
  before(async () => {
    it = await startTestServer({ options: { http: { cors: { origins: [PAGE] } } } });
    authorization = `Authorization: Bearer ${it.key}\r\n`;
  });
  after(() => it.stop());

  const link = (alias: string) => JSON.stringify({ url: 'https://example.com/', alias });
  const post = (alias: string, more = '') =>
    `POST /v1/links HTTP/1.1\r\nHost: x\r\n${authorization}Content-Type: application/json\r\n${more}Content-Length: ${link(alias).length}\r\n\r\n${link(alias)}`;
  const close = 'Connection: close\r\n';

  async function statusOf(request: string): Promise<{ status: number; code: string | undefined }> {
    const received = await it.raw(request);
    const body = received.slice(received.indexOf('\r\n\r\n') + 4);
    const code = body.startsWith('{') ? (JSON.parse(body) as { code?: string }).code : undefined;
    return { status: Number(received.slice(9, 12)), code };
  }

  /** A line comes after its answer, and after its client. */
  async function lineOf(holds: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    while (true) {
      const line = it.logs.find(holds);
      if (line) return line;
      await sleep(systemClock, 5);
    }
  }

  test('a write whose client half-closes, or sends rubbish behind it, is answered', async () => {
    const cases: [string, string, boolean][] = [
      ['half-closed', '', true],
      ['rubbish-behind', 'RUBBISH\r\n\r\n', false],
      ['rubbish-and-closed', 'RUBBISH\r\n\r\n', true],
      ['half-a-request', 'GET / HT', true],
    ];
    for (const [alias, behind, halfCloses] of cases) {
      const client = openClient(it.port);
      client.socket.write(post(alias) + behind);
      if (halfCloses) client.socket.end();
      await client.closed;
      const statuses = client.answers().map(({ status }) => status);
      assert.deepEqual(statuses, behind === '' ? [201] : [201, 400], alias);
      assert.equal((await it.call(`/${alias}`)).status, 302);
      client.socket.destroy();
    }
    const client = openClient(it.port);
    client.socket.write(`${post('closing', close)}${post('after-close')}`);
    await client.closed;
    assert.deepEqual(
      client.answers().map(({ status }) => status),
      [201],
    );
    assert.equal(
      (await it.call('/after-close')).status,
      404,
      'what is behind `Connection: close` is not done',
    );
  });

  test('a redirect and `/metrics` with rubbish behind them are answered', async () => {
    for (const [path, status] of [
      ['/half-closed', 302],
      ['/metrics', 200],
      ['/nosuchcode', 404],
      ['/docs', 200],
    ] as const) {
      const client = openClient(it.port);
      client.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n\u0001`);
      await client.closed;
      assert.deepEqual(
        client.answers().map((answer) => answer.status),
        [status, 400],
        path,
      );
      client.socket.destroy();
    }
    assert.equal(
      it.logs.find(({ level }) => level === 'error'),
      undefined,
    );
  });

  test('a body is read only for a route that takes one, from whom it takes one', async () => {
    const unread = (line: string, key = '') =>
      `${line} HTTP/1.1\r\nHost: x\r\n${key}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`;
    const cases = [
      ['PUT /livez', 405, ''],
      ['PUT /v1/links', 405, ''],
      ['POST /v1/links', 401, ''],
      ['POST /nowhere/at/all', 404, ''],
      ['POST /v1/nothing', 404, authorization],
      ['GET /v1/links', 200, authorization],
      ['GET /half-closed', 302, ''],
      ['DELETE /v1/links/1', 404, authorization],
      ['QUERY /v1/links', 405, ''],
    ] as const;
    for (const [line, status, key] of cases) {
      const client = openClient(it.port);
      client.socket.write(unread(line, key));
      await client.until(() => client.answers().length === 1);
      assert.equal(client.answers()[0]?.status, status, line);
      client.socket.destroy();
    }
  });

  test('who is refused before its body is not asked for it', async () => {
    const ask = (key: string, alias: string) =>
      post(alias, 'Expect: 100-continue\r\n').replace(authorization, key).split('\r\n\r\n')[0];
    assert.match(await it.raw(`${ask('', 'never')}\r\n\r\n`), /^HTTP\/1\.1 401 /);
    const client = openClient(it.port);
    client.socket.write(`${ask(authorization, 'asked')}\r\n\r\n`);
    await client.until(() => client.received().startsWith('HTTP/1.1 100 '));
    client.socket.write(link('asked'));
    await client.until(() => / 201 /.test(client.received()));
    client.socket.destroy();
  });

  test('an empty body is no body, of whatever type', async () => {
    for (const type of ['application/json', 'text/plain', 'nonsense']) {
      const made = (await (await it.send('POST', '/v1/shorten', { url: 'https://example.com/' })).json()) as {
        code: string;
      };
      const { items } = (await (await it.call('/v1/links?limit=1')).json()) as {
        items: { id: string; code: string }[];
      };
      assert.equal(items[0]?.code, made.code);
      for (const length of ['Content-Length: 0\r\n', '']) {
        const asked = `DELETE /v1/links/${items[0]?.id} HTTP/1.1\r\nHost: x\r\n${authorization}Content-Type: ${type}\r\n${length}${close}\r\n`;
        assert.match(await it.raw(asked), /^HTTP\/1\.1 (204|404) /, type);
      }
      assert.equal((await it.call(`/${made.code}`)).status, 410);
    }
  });

  test('a body is taken as it is: no content coding, and of transfer codings chunked alone', async () => {
    const body = Buffer.from(link('coded'));
    const send = (bytes: Buffer, coding: string) =>
      it.call('/v1/links', {
        method: 'POST',
        body: bytes,
        headers: { 'content-type': 'application/json', 'content-encoding': coding },
      });
    for (const bytes of [gzipSync(body), body]) {
      for (const coding of ['gzip', 'br', 'identity, gzip', 'x']) {
        const refused = await send(bytes, coding);
        assert.deepEqual(
          [refused.status, (await problem(refused)).code],
          [415, 'content_coding_unsupported'],
        );
      }
    }
    assert.equal((await send(body, 'Identity')).status, 201);
    const transfer = (coding: string, version = '1.1') =>
      statusOf(
        `POST /v1/links HTTP/${version}\r\nHost: x\r\n${authorization}Content-Type: application/json\r\nTransfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`,
      );
    assert.deepEqual(await transfer('gzip, chunked'), { status: 501, code: 'transfer_coding_unsupported' });
    assert.equal((await transfer('identity, chunked')).status, 501);
    assert.equal((await transfer('gzip')).status, 400);
    assert.equal((await transfer('chunked', '1.0')).status, 400);
    assert.equal((await transfer('Chunked')).code, 'json_malformed');
  });

  test('a Host that is none, and several, are 400', async () => {
    const ask = (hosts: string, target = '/livez', version = '1.1') =>
      statusOf(`GET ${target} HTTP/${version}\r\n${hosts}${close}\r\n`);
    const wrong = [
      'a b',
      'a/b',
      'a@b',
      'a?b',
      'a#b',
      'a:b',
      'a:1:2',
      '[::1',
      '[x]',
      'a%zz',
      'ä',
      '"a"',
      'a\\b',
    ];
    for (const host of wrong) {
      assert.deepEqual(await ask(`Host: ${host}\r\n`), { status: 400, code: 'request_malformed' }, host);
    }
    for (const host of ['a', 'A.b-c_d~', '[::1]:80', '127.0.0.1:8080', 'a%20b', 'a:', '']) {
      assert.equal((await ask(`Host: ${host}\r\n`)).status, 200, host);
    }
    assert.equal((await ask('Host: a\r\nHost: a\r\n')).status, 400);
    assert.equal((await ask('Host: a\r\nX: y\r\nhOST: b\r\n')).status, 400);
    assert.equal((await ask('Host: a\r\nHost: a\r\n', '/half-closed')).status, 400, 'the hot path too');
    assert.equal((await ask('Host: a\r\nHost: b\r\n', '/livez', '1.0')).status, 400);
    assert.equal((await ask('', '/livez', '1.0')).status, 200);
    for (const target of ['http://a@b/livez', 'http:///livez', 'http://a:b/livez']) {
      assert.equal((await ask('Host: a\r\n', target)).status, 400, target);
    }
  });

  test('whatever the method, a known path is 405 with Allow and an unknown one 404', async () => {
    for (const method of [
      'QUERY',
      'TRACE',
      'PROPFIND',
      'OPTIONS',
      'MKCOL',
      'LOCK',
      'REPORT',
      'PUT',
      'PURGE',
    ]) {
      for (const type of ['', 'Content-Type: application/json\r\nContent-Length: 2\r\n']) {
        const body = type === '' ? '' : '{}';
        const ask = (path: string) =>
          it.raw(`${method} ${path} HTTP/1.1\r\nHost: x\r\n${authorization}${close}${type}\r\n${body}`);
        for (const path of ['/v1/links', '/v1/links?limit=1', '/v1/links/1', '/livez', '/docs']) {
          const received = await ask(path);
          assert.match(received, /^HTTP\/1\.1 405 /, `${method} ${path}`);
          assert.match(received, /\r\nallow: [A-Z, ]*GET/i);
        }
        assert.match(await ask('/v1/nothing'), /^HTTP\/1\.1 404 /, method);
      }
    }
    assert.match(await it.raw('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'), /^HTTP\/1\.1 405 /);
    assert.equal(
      it.logs.find(({ level }) => level === 'error'),
      undefined,
    );
  });

  test('a client that leaves in mid-body is no defect: its line, its measure and its span say 499', async () => {
    const traceIds = ['b'.repeat(32), 'c'.repeat(32)];
    for (const traceId of traceIds) {
      const socket = connect(it.port, '127.0.0.1');
      socket.on('error', () => {});
      const head = post('leaving', `traceparent: 00-${traceId}-${'d'.repeat(16)}-01\r\n`);
      socket.write(head.slice(0, -5));
      // Long enough that its key has been looked up, and its body is waited for.
      await it.call('/v1/links?limit=1');
      if (traceId === traceIds[0]) socket.resetAndDestroy();
      else socket.destroy();
      const line = await lineOf((each) => each.traceId === traceId && each.status !== undefined);
      assert.deepEqual([line.status, line.route, line.level], [499, '/v1/links', 'info']);
    }
    assert.equal(
      it.logs.find(({ level }) => level === 'error'),
      undefined,
    );
    const metrics = await (await it.call('/metrics')).text();
    assert.match(metrics, /duration_seconds_count\{method="POST",route="\/v1\/links",status="499"\} 2/);
  });

  test('what is refused before it has a route has its line too', async () => {
    const traceId = 'e'.repeat(32);
    const traceparent = `00-${traceId}-${'d'.repeat(16)}-01`;
    assert.equal((await it.call('/v1/%ZZ', { headers: { traceparent } })).status, 400);
    assert.equal((await lineOf((each) => each.traceId === traceId)).status, 400);
  });

  test('numbers in a query are plain decimal integers, given once', async () => {
    const wrong = [
      '',
      '%201',
      '1%20',
      '+1',
      '%2B1',
      '1e3',
      '0x5',
      '1.9',
      '1.0',
      'true',
      '01',
      '-0',
      'null',
      '１',
    ];
    for (const limit of [...wrong, '1&limit=2', '1&limit=1', '99999999999999999999']) {
      const refused = await it.call(`/v1/links?limit=${limit}`);
      const { code, errors } = (await problem(refused)) as unknown as { code: string; errors: unknown[] };
      assert.deepEqual([refused.status, code], [400, 'request_invalid'], limit);
      assert.equal((errors[0] as { pointer: string }).pointer, '?limit');
    }
    assert.equal((await it.call('/v1/links?limit=7')).status, 200);
    assert.equal((await it.call('/v1/links?cursor=a&cursor=b')).status, 400);
  });

  test('pages of named origins may call /v1, and no others', async () => {
    const preflight = (origin: string, path = '/v1/links') =>
      fetch(it.url + path, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x' },
      });
    const allowed = await preflight(PAGE);
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get('access-control-allow-origin'), PAGE);
    assert.match(allowed.headers.get('access-control-allow-methods') ?? '', /PATCH/);
    assert.match(allowed.headers.get('access-control-allow-headers') ?? '', /Authorization.*Idempotency-Key/);
    assert.match(allowed.headers.get('vary') ?? '', /Origin/);
    assert.equal(allowed.headers.get('access-control-allow-credentials'), null);
    for (const other of ['https://evil.example', 'null', `${PAGE}.evil.example`, 'http://app.example.com']) {
      const refused = await preflight(other);
      assert.equal(refused.status, 405, other);
      assert.equal(refused.headers.get('access-control-allow-origin'), null);
      assert.match(refused.headers.get('vary') ?? '', /Origin/);
    }
    assert.equal((await preflight(PAGE, '/docs')).headers.get('access-control-allow-origin'), null);
    for (const [init, status] of [
      [{ headers: { origin: PAGE } }, 200],
      [{ headers: { origin: PAGE, authorization: 'Bearer no' } }, 401],
      [{ headers: { origin: PAGE }, method: 'DELETE' }, 405],
      [{ headers: { origin: PAGE, 'content-type': 'text/plain' }, method: 'POST', body: 'x' }, 415],
    ] as const) {
      const answer = await it.call('/v1/links', init);
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get('access-control-allow-origin'), PAGE, `${status}`);
      assert.match(
        answer.headers.get('access-control-expose-headers') ?? '',
        /ETag.*Retry-After.*traceparent/,
      );
    }
    const plain = await it.call('/v1/links');
    assert.match(plain.headers.get('vary') ?? '', /Origin/, 'also for caches that have no Origin');
    assert.equal(plain.headers.get('access-control-allow-origin'), null);
  });

  test('pages that do not change are one buffer with a tag', async () => {
    for (const path of ['/docs', '/docs/errors', '/openapi.json']) {
      const first = await fetch(it.url + path);
      const etag = first.headers.get('etag') ?? '';
      assert.match(etag, /^"[\w-]{22}"$/);
      for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const kept = await fetch(it.url + path, { headers: { 'if-none-match': tags } });
        assert.deepEqual([kept.status, kept.headers.get('etag')], [304, etag]);
      }
      const other = await fetch(it.url + path, { headers: { 'if-none-match': '"other"' } });
      assert.equal(await other.text(), await first.text());
    }
  });
});
