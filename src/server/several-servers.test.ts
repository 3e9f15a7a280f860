import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { eventually } from '#base/testing/eventually.fixture';
import { locateDatabase } from '#fixtures/database';
import { startTestServer, type TestServer } from './server.fixture.ts';

suite('two servers on one database', () => {
  let first: TestServer;
  let second: TestServer;
  const HOUR_MS = 3_600_000;
  before(async () => {
    const systemOptions = { links: { cacheTtlMs: HOUR_MS } };
    const masterKey = randomBytes(32).toString('base64url');
    // Without wakeups two hops of ten seconds each would be too late for every test here.
    const seldom = { outbox: { pollMs: 10_000 }, stream: { pollMs: 10_000 }, queue: { pollMs: 60_000 } };
    first = await startTestServer({ systemOptions, options: seldom, masterKey });
    const primary = locateDatabase(first.server.dataDirectory);
    second = await startTestServer({
      systemOptions,
      options: { ...seldom, database: { primary } },
      masterKey,
    });
  });
  after(async () => {
    await second?.stop();
    await first?.stop();
  });

  const locationOf = async (server: TestServer, code: string) => {
    const reply = await server.call(`/${code}`);
    return reply.status === 302 ? reply.headers.get('location') : reply.status;
  };

  test('what one changes, the other redirects to, though it has kept what was', async () => {
    const made = await first.send('POST', '/v1/links', { url: 'https://example.com/one' });
    const { id, code } = (await made.json()) as { id: string; code: string };
    for (const server of [first, second]) {
      assert.equal(await locationOf(server, code), 'https://example.com/one');
    }
    const etag = made.headers.get('etag') as string;
    await second.send('PATCH', `/v1/links/${id}`, { url: 'https://example.com/two' }, { 'if-match': etag });
    assert.equal(await locationOf(second, code), 'https://example.com/two');
    await eventually(
      'the other one has heard',
      async () => (await locationOf(first, code)) !== 'https://example.com/one',
    );
    assert.equal(await locationOf(first, code), 'https://example.com/two');
    await first.call(`/v1/links/${id}`, { method: 'DELETE' });
    await eventually('gone', async () => (await locationOf(second, code)) === 410);
  });

  test('either hears of it at once, though both look only every ten seconds', async () => {
    const made = await first.send('POST', '/v1/links', { url: 'https://example.com/0' });
    const { id, code } = (await made.json()) as { id: string; code: string };
    for (let number = 1; number <= 4; number++) {
      const [writer, reader] = number % 2 === 1 ? [first, second] : [second, first];
      await locationOf(reader, code);
      const etag = (await writer.call(`/v1/links/${id}`)).headers.get('etag') as string;
      const url = `https://example.com/${number}`;
      assert.equal(
        (await writer.send('PATCH', `/v1/links/${id}`, { url }, { 'if-match': etag })).status,
        200,
      );
      await eventually('the other has heard', async () => (await locationOf(reader, code)) === url);
    }
  });
});

interface Span {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
}

suite('a trace', () => {
  const spans: Span[] = [];
  let receiver: Server;
  let it: TestServer;
  before(async () => {
    receiver = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const sent = JSON.parse(Buffer.concat(chunks).toString()) as {
          resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
        };
        spans.push(
          ...sent.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans)),
        );
        response.end('{}');
      });
    });
    await new Promise<void>((resolve) => {
      receiver.listen(0, '127.0.0.1', resolve);
    });
    const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    it = await startTestServer({ options: { traces: { endpoint } } });
  });
  after(async () => {
    await it?.stop();
    receiver.closeAllConnections();
    receiver.close();
  });

  test('is followed through request, outbox, stream, projection and job', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const expiresAt = new Date(Date.now() + 1500).toISOString();
    const made = await it.send('POST', '/v1/links', { url: 'https://example.com/', expiresAt }, headers);
    assert.equal(made.status, 201);
    const ofTrace = () => spans.filter((span) => span.traceId === traceId);
    const named = (name: string) => ofTrace().filter((span) => span.name === name);
    await eventually(
      'all its steps',
      () => named('job links_expiry').length > 0 && named('projection links_counts').length > 1,
    );
    const parentNames = (name: string) =>
      named(name).map(({ parentSpanId }) => ofTrace().find(({ spanId }) => spanId === parentSpanId)?.name);
    const [request] = ofTrace().filter(({ parentSpanId }) => parentSpanId === 'b7ad6b7169203331');
    assert(request, 'the request is a step of the caller’s trace');
    assert(parentNames('publish links').includes(request.name));
    assert(parentNames('publish links').includes('job links_expiry'));
    for (const step of ['relay', 'projection links_counts', 'job links_expiry']) {
      assert(named(step).length > 0, step);
      assert.deepEqual(new Set(parentNames(step)), new Set(['publish links']), step);
    }
  });
});
