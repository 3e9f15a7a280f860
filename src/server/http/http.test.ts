/**
 * The server's face to HTTP clients, good and bad: every refusal is a problem document, every answer has a trace id.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { problem, startTestServer, type TestServer } from '../server.fixture.ts';

const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

async function assertProblem(response: Response, status: number, code: string): Promise<void> {
  const body = await problem(response);
  assert.deepEqual([response.status, body.code, body.status], [status, code, status], JSON.stringify(body));
  assert.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8');
  assert.match(response.headers.get('traceparent') ?? '', TRACEPARENT);
  assert.equal(response.headers.get('traceparent')?.slice(3, 35), body.traceId);
  assert.equal(typeof body.title, 'string');
}

function assertRawProblem(received: string, status: number, code: string): void {
  assert.match(received, new RegExp(`^HTTP/1\\.1 ${status} `), received);
  assert.match(received, /content-type: application\/problem\+json/i);
  assert.match(received, /traceparent: 00-/i);
  const body = JSON.parse(received.slice(received.indexOf('\r\n\r\n') + 4)) as {
    code: string;
    status: number;
  };
  assert.deepEqual([body.code, body.status], [code, status]);
}

describe('http', () => {
  let it: TestServer;
  after(() => it.stop());
  before(async () => {
    it = await startTestServer({
      options: { http: { headersTimeoutMs: 300, receiveTimeoutMs: 600, requestTimeoutMs: 2000 } },
    });
  });

  test('an unknown path is 404, outside and inside /v1', async () => {
    await assertProblem(await it.call('/v1/nothing'), 404, 'not_found');
    await assertProblem(await it.call('/a/b/c'), 404, 'not_found');
    await assertProblem(await it.call('/nosuchcode'), 404, 'link_not_found');
    await assertProblem(await it.call(`/v1/links/${'9'.repeat(500)}`), 404, 'not_found');
  });

  test('a known path with another method is 405 with Allow', async () => {
    const response = await it.call('/v1/shorten', { method: 'GET' });
    assert.equal(response.headers.get('allow'), 'POST');
    await assertProblem(response, 405, 'method_not_allowed');
    const list = await it.call('/v1/links', { method: 'DELETE' });
    assert.deepEqual(list.headers.get('allow')?.split(', ').sort(), ['GET', 'HEAD', 'POST']);
    await assertProblem(list, 405, 'method_not_allowed');
    await assertProblem(await it.call('/readyz', { method: 'POST' }), 405, 'method_not_allowed');
    const code = await it.call('/abcdefg', { method: 'POST' });
    assert.equal(code.headers.get('allow'), 'GET, HEAD');
    await assertProblem(code, 405, 'method_not_allowed');
  });

  test('no key, a wrong key and a malformed header are 401', async () => {
    for (const authorization of [
      '',
      'Bearer wrong-key-wrong-key-wrong',
      'Basic abc',
      'Bearer  ',
      'Bearer a b',
    ]) {
      await assertProblem(await it.call('/v1/links', { headers: { authorization } }), 401, 'unauthenticated');
    }
    const none = await fetch(`${it.url}/v1/links`);
    assert.equal(none.headers.get('www-authenticate'), 'Bearer');
    await assertProblem(none, 401, 'unauthenticated');
  });

  test('a body of another type, or of none, is 415', async () => {
    const body = '{"url":"https://example.com/"}';
    for (const type of ['text/plain', 'application/xml', 'application/jsonp', 'nonsense']) {
      const response = await it.call('/v1/shorten', {
        method: 'POST',
        body,
        headers: { 'content-type': type },
      });
      await assertProblem(response, 415, 'media_type_unsupported');
    }
    const untyped = await it.call('/v1/shorten', { method: 'POST', body: Buffer.from(body) });
    await assertProblem(untyped, 415, 'media_type_unsupported');
  });

  test('malformed JSON is 400, whatever is wrong with it', async () => {
    const bodies = [
      '{',
      '{"url":}',
      "{'url':'x'}",
      'nonsense',
      '{"url":"a"}x',
      '',
      Buffer.from([0x22, 0xff, 0x22]),
    ];
    for (const body of bodies) {
      const headers = { 'content-type': 'application/json' };
      const response = await it.call('/v1/shorten', { method: 'POST', body, headers });
      assert.equal(response.status, 400);
      assert.match((await problem(response)).code, /^(json_malformed|request_invalid)$/);
    }
  });

  test('schema violations name each field by its pointer', async () => {
    const response = await it.send('POST', '/v1/links', { ttl: 'x', colour: 1, redirectStatus: 300 });
    assert.equal(response.status, 400);
    const { errors } = (await problem(response)) as unknown as { errors: { pointer: string }[] };
    assert.deepEqual(errors.map((e) => e.pointer).sort(), ['/colour', '/redirectStatus', '/ttl', '/url']);
    const query = await it.call('/v1/links?limit=0&extra=1');
    const body = (await problem(query)) as unknown as { errors: { pointer: string }[] };
    assert.deepEqual(body.errors.map((e) => e.pointer).sort(), ['?extra', '?limit']);
  });

  test('a body over 1 MiB is drained and 413; past 16 MiB the connection closes', async () => {
    const big = Buffer.alloc(1_048_577, 0x20);
    const headers = { 'content-type': 'application/json' };
    const response = await it.call('/v1/shorten', { method: 'POST', body: big, headers });
    await assertProblem(response, 413, 'body_too_large');
    const chunked = httpRequest(`${it.url}/v1/shorten`, {
      method: 'POST',
      headers: { authorization: `Bearer ${it.key}`, 'content-type': 'application/json' },
    });
    for (let i = 0; i < 8; i++) chunked.write(Buffer.alloc(1_048_576, 0x20));
    chunked.end();
    const [answer] = (await once(chunked, 'response')) as [import('node:http').IncomingMessage];
    assert.equal(answer.statusCode, 413);
    answer.resume();
    await once(answer, 'end');
    const declared = `POST /v1/shorten HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${it.key}\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n`;
    const received = await it.raw(declared);
    assertRawProblem(received, 413, 'body_too_large');
    assert.match(received, /connection: close/i);
  });

  test('what is not HTTP, lacks a host or has too many headers gets a problem and a closed connection', async () => {
    assertRawProblem(await it.raw('nonsense\r\n\r\n'), 400, 'request_malformed');
    assertRawProblem(await it.raw('GET / HTTP/1.1\r\n\r\n'), 400, 'request_malformed');
    assertRawProblem(
      await it.raw('GET /v1/links%ZZ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
      400,
      'request_malformed',
    );
    const huge = `GET / HTTP/1.1\r\nHost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`;
    assertRawProblem(await it.raw(huge), 431, 'headers_too_large');
    const bodiless = `POST /v1/shorten HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${it.key}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n`;
    assertRawProblem(await it.raw(bodiless), 400, 'json_malformed');
    assertRawProblem(
      await it.raw('POST /v1/shorten HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'),
      400,
      'request_malformed',
    );
    assertRawProblem(
      await it.raw('GET / HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n'),
      417,
      'expectation_failed',
    );
  });

  test('a target in absolute form is taken like its path', async () => {
    for (const [target, status] of [
      ['/livez', 200],
      ['/nosuchcode', 404],
      ['', 200],
    ] as const) {
      const received = await it.raw(
        `GET http://example.com${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      assert.match(received, new RegExp(`^HTTP/1\\.1 ${status} `), target);
    }
  });

  test('what follows a request is not answered before it', async () => {
    const received = await it.raw('GET /unknown-code HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n');
    assert.doesNotMatch(received, /^HTTP\/1\.1 400/);
  });

  test('a silent connection does not hold up a stop', async () => {
    // A stop that waited for the connection would take as long.
    const other = await startTestServer({ options: { http: { drainTimeoutMs: 600_000 } } });
    const { connect } = await import('node:net');
    const socket = connect(other.port, '127.0.0.1');
    const closed = new Promise((resolve) => socket.on('close', resolve).on('error', () => {}));
    await new Promise((resolve) => socket.on('connect', resolve));
    assert.equal((await other.call('/livez')).status, 200);
    await other.stop();
    await closed;
  });

  test('headers and bodies that arrive too slowly are 408', async () => {
    assertRawProblem(await it.raw('GET / HTTP/1.1\r\nHost: x\r\n'), 408, 'request_timeout');
    const head = `POST /v1/shorten HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${it.key}\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{`;
    assertRawProblem(await it.raw(head), 408, 'request_timeout');
  });

  test('traceparent is continued when valid and begun anew when not, and finds the log line', async () => {
    const traceId = 'a'.repeat(32);
    const sent = `00-${traceId}-${'b'.repeat(16)}-01`;
    const response = await it.call('/v1/links', { headers: { traceparent: sent } });
    const returned = response.headers.get('traceparent') ?? '';
    assert.match(returned, new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    assert.notEqual(returned, sent);
    const line = it.logs.find((entry) => entry.traceId === traceId);
    assert.equal(line?.route, '/v1/links');
    assert.equal(line?.status, 200);
    assert.equal(line?.workspaceId, '1');
    assert.equal(line?.service, 'test');
    assert.equal(typeof line?.latencyMs, 'number');
    const state = { traceparent: sent, tracestate: 'foo=1, bar=2' };
    const unkeyed = { ...state, authorization: '' };
    for (const [path, headers, status] of [
      ['/v1/links', state, 200],
      ['/v1/links', unkeyed, 401],
      ['/v1/nothing', state, 404],
      ['/nosuchcode', unkeyed, 404],
      ['/livez', unkeyed, 200],
    ] as const) {
      const passed = await it.call(path, { headers });
      assert.deepEqual([passed.status, passed.headers.get('tracestate')], [status, 'foo=1,bar=2'], path);
    }
    const link = (await (
      await it.send('POST', '/v1/shorten', { url: 'https://example.com/traced' })
    ).json()) as {
      code: string;
    };
    const redirect = await it.call(`/${link.code}`, { headers: state });
    assert.equal(redirect.headers.get('tracestate'), 'foo=1,bar=2');
    const stateless = await it.call(`/${link.code}`, { headers: { tracestate: 'foo=1' } });
    assert.equal(stateless.headers.get('tracestate'), null, 'without a trace there is no state of it');
    for (const bad of [
      `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
      'nonsense',
      `ff-${traceId}-${'b'.repeat(16)}-01`,
    ]) {
      const other = await it.call('/v1/links', { headers: { traceparent: bad } });
      assert.notEqual(other.headers.get('traceparent')?.slice(3, 35), bad.slice(3, 35));
    }
  });

  test('health, metrics, OpenAPI and the reference', async () => {
    for (const path of ['/livez', '/readyz', '/health']) {
      const response = await fetch(it.url + path);
      assert.deepEqual([response.status, await response.json()], [200, { status: 'ok' }]);
    }
    const told = (await (await it.call('/readyz')).json()) as {
      queues: { queue: string; waiting: number }[];
    };
    assert.deepEqual(
      told.queues.map(({ queue }) => queue),
      ['links_expiry', 'links_sweep', 'backups'],
    );
    const metrics = await fetch(`${it.url}/metrics`);
    const text = await metrics.text();
    assert.match(text, /loadstone_http_request_duration_seconds_bucket/);
    assert.match(text, /loadstone_links_redirects_total\{result="unknown"\} [1-9]/);
    const proxied = await fetch(`${it.url}/metrics`, { headers: { 'x-forwarded-for': '203.0.113.9' } });
    await assertProblem(proxied, 401, 'unauthenticated');
    const keyed = await it.call('/metrics', { headers: { 'x-forwarded-for': '203.0.113.9' } });
    assert.equal(keyed.status, 200);

    const document = (await (await fetch(`${it.url}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<
        string,
        Record<string, { operationId: string; parameters?: { in: string; name: string }[] }>
      >;
    };
    assert.equal(document.openapi, '3.1.0');
    assert.deepEqual(Object.keys(document.paths).sort(), [
      '/v1/jobs/{id}',
      '/v1/links',
      '/v1/links/counts',
      '/v1/links/{id}',
      '/v1/shorten',
      '/{code}',
    ]);
    assert.equal(document.paths['/v1/links']?.post?.operationId, 'createLink');
    const parametersOf = (method: string) =>
      document.paths['/v1/links']?.[method]?.parameters?.map((each) => `${each.in} ${each.name}`) ?? [];
    assert(parametersOf('post').includes('header Idempotency-Key'));
    for (const one of ['header Loadstone-Session', 'cookie loadstone_session']) {
      assert(parametersOf('get').includes(one), one);
    }
    const page = await fetch(`${it.url}/docs`);
    const html = await page.text();
    assert.match(page.headers.get('content-type') ?? '', /text\/html/);
    for (const id of ['shorten', 'createLink', 'patchLink']) assert.match(html, new RegExp(`id="${id}"`));
    assert.doesNotMatch(html, /(src|href)="https?:/, 'the reference needs nothing from elsewhere');
    assert.match(await (await fetch(`${it.url}/docs/errors`)).text(), /id="link_gone"/);
  });

  test('HEAD of an API route answers like GET without a body', async () => {
    const response = await it.call('/v1/links', { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), '');
  });
});
