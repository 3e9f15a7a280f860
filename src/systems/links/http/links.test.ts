/**
 * The links system through a whole server: what a caller of the API and a follower of a short URL see.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { problem, startTestServer, type TestServer } from '#server/server.fixture';

interface LinkBody {
  id: string;
  code: string;
  shortUrl: string;
  url: string;
  redirectStatus: number;
  expiresAt: string | null;
}

const json = async <T>(response: Response | Promise<Response>): Promise<T> =>
  (await (await response).json()) as T;

describe('links', () => {
  let it: TestServer;
  before(async () => {
    it = await startTestServer();
  });
  after(() => it.stop());

  const create = (body: object) => json<LinkBody>(it.send('POST', '/v1/links', body));

  test('shorten answers with a code of seven characters that redirects', async () => {
    const response = await it.send('POST', '/v1/shorten', { url: 'HTTP://EXAMPLE.com/a b?q=ü#x' });
    assert.equal(response.status, 201);
    const body = await json<{ code: string; shortUrl: string; expiresAt: null }>(response);
    assert.match(body.code, /^[0-9A-Za-z]{7}$/);
    assert.deepEqual(Object.keys(body).sort(), ['code', 'expiresAt', 'shortUrl']);
    assert.equal(body.shortUrl, `${it.server.publicUrl}/${body.code}`);
    for (const method of ['GET', 'HEAD']) {
      const redirect = await it.call(`/${body.code}`, { method });
      assert.equal(redirect.status, 302);
      assert.equal(redirect.headers.get('location'), 'http://example.com/a%20b?q=%C3%BC#x');
      assert.equal(redirect.headers.get('cache-control'), 'private, max-age=90');
      assert.match(redirect.headers.get('traceparent') ?? '', /^00-/);
      assert.equal(await redirect.text(), '');
    }
    const withQuery = await it.call(`/${body.code}?utm_source=x`);
    assert.equal(withQuery.status, 302);
  });

  test('a link is made, read, listed, changed and deleted', async () => {
    const made = await it.send('POST', '/v1/links', { url: 'https://example.com/1', redirectStatus: 308 });
    assert.equal(made.status, 201);
    const link = await json<LinkBody>(made);
    assert.match(link.id, /^\d+$/);
    assert.equal(made.headers.get('etag'), '"1"');
    assert.equal(made.headers.get('location'), `/v1/links/${link.id}`);
    assert.deepEqual(await json(it.call(`/v1/links/${link.id}`)), link);
    assert.equal((await it.call(`/${link.code}`)).status, 308);

    const patched = await it.send('PATCH', `/v1/links/${link.id}`, { url: 'https://example.com/2' });
    assert.equal(patched.headers.get('etag'), '"2"');
    const changed = await json<LinkBody>(patched);
    assert.deepEqual([changed.url, changed.redirectStatus], ['https://example.com/2', 308]);
    assert.equal((await it.call(`/${link.code}`)).headers.get('location'), 'https://example.com/2');

    assert.equal((await it.call(`/v1/links/${link.id}`, { method: 'DELETE' })).status, 204);
    assert.equal((await it.call(`/v1/links/${link.id}`, { method: 'DELETE' })).status, 404);
    assert.equal((await it.call(`/v1/links/${link.id}`)).status, 404);
    const gone = await it.call(`/${link.code}`);
    assert.deepEqual([gone.status, (await problem(gone)).code], [410, 'link_gone']);
  });

  test('If-Match lets one of two changes through', async () => {
    const { id } = await create({ url: 'https://example.com/' });
    const change = (ifMatch: string) =>
      it.send('PATCH', `/v1/links/${id}`, { url: 'https://example.com/x' }, { 'if-match': ifMatch });
    const other = await change('"7"');
    assert.deepEqual([other.status, (await problem(other)).code], [412, 'precondition_failed']);
    const malformed = await change('nonsense');
    assert.deepEqual([malformed.status, (await problem(malformed)).code], [400, 'precondition_malformed']);
    const both = await Promise.all([change('"1"'), change('"1"')]);
    assert.deepEqual(both.map((response) => response.status).sort(), [200, 412]);
    assert.equal((await change('*')).status, 200);
    const remove = (ifMatch: string) =>
      it.call(`/v1/links/${id}`, { method: 'DELETE', headers: { 'if-match': ifMatch } });
    assert.equal((await remove('"1"')).status, 412);
    assert.equal((await remove('"3"')).status, 204);
  });

  test('preconditions: lists, several lines, weak tags; 304 for a reader who has the link already', async () => {
    const { id } = await create({ url: 'https://example.com/conditional' });
    const path = `/v1/links/${id}`;
    const read = async (headers: Record<string, string>, method = 'GET') => {
      const response = await it.call(path, { method, headers });
      const text = await response.text();
      assert.equal(response.headers.get('etag'), response.status < 400 ? '"1"' : null);
      if (response.status === 304 || method === 'HEAD') assert.equal(text, '');
      return response.status;
    };
    for (const [headers, status] of [
      [{ 'if-none-match': '"1"' }, 304],
      [{ 'if-none-match': 'W/"1"' }, 304],
      [{ 'if-none-match': '"7", W/"1"' }, 304],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-none-match': '"2"' }, 200],
      [{ 'if-none-match': 'nonsense' }, 400],
      [{ 'if-match': '"7", "1"' }, 200],
      [{ 'if-match': 'W/"1"' }, 412],
      [{ 'if-match': '"2"' }, 412],
      [{ 'if-match': '"1"', 'if-none-match': '"1"' }, 304],
    ] as const) {
      assert.equal(await read(headers), status, JSON.stringify(headers));
      assert.equal(await read(headers, 'HEAD'), status, `HEAD ${JSON.stringify(headers)}`);
    }
    const missing = await it.call('/v1/links/1', { headers: { 'if-none-match': '*' } });
    assert.equal(missing.status, 404, 'what is not there has no version');

    const change = async (headers: Record<string, string>) =>
      (await it.send('PATCH', path, { redirectStatus: 307 }, headers)).status;
    assert.equal(await change({ 'if-match': 'W/"1"' }), 412);
    assert.equal(await change({ 'if-match': '"7", "8"' }), 412);
    assert.equal(await change({ 'if-none-match': '"1"' }), 412);
    assert.equal(await change({ 'if-none-match': '*' }), 412);
    assert.equal(await change({ 'if-match': '"7", "1"' }), 200);
    assert.equal(await change({ 'if-none-match': '"1"' }), 200);
    const body = '{"redirectStatus":308}';
    const lines = await it.raw(
      `PATCH ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${it.key}\r\nContent-Type: application/json\r\nIf-Match: "1", "2"\r\nIf-Match: "3"\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    assert.match(lines, /^HTTP\/1\.1 200 /);
    const remove = async (headers: Record<string, string>) =>
      (await it.call(path, { method: 'DELETE', headers })).status;
    assert.equal(await remove({ 'if-match': '"3"' }), 412);
    assert.equal(await remove({ 'if-match': '"3", "4"' }), 204);
  });

  test('an alias is taken once, case counts, and it stays taken after the link is deleted', async () => {
    const alias = 'My-Alias_1';
    const { id } = await create({ url: 'https://example.com/', alias });
    assert.equal((await it.send('POST', '/v1/links', { url: 'https://example.com/', alias })).status, 409);
    assert.equal((await create({ url: 'https://example.com/', alias: 'my-alias_1' })).code, 'my-alias_1');
    await it.call(`/v1/links/${id}`, { method: 'DELETE' });
    const again = await it.send('POST', '/v1/links', { url: 'https://example.com/', alias });
    assert.deepEqual([again.status, (await problem(again)).code], [409, 'alias_taken']);
    const racing = await Promise.all(
      Array.from({ length: 8 }, () =>
        it.send('POST', '/v1/links', { url: 'https://example.com/', alias: 'race' }),
      ),
    );
    assert.equal(racing.filter((response) => response.status === 201).length, 1);
    assert.equal(racing.filter((response) => response.status === 409).length, 7);
  });

  test('the list is newest first, whole, and honest about its end', async () => {
    const made: string[] = [];
    for (let i = 0; i < 7; i++) made.push((await create({ url: `https://example.com/list/${i}` })).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: { items: LinkBody[]; nextCursor: string | null } = await json(
        it.call(`/v1/links?limit=3${query}`),
      );
      assert(page.items.length > 0 || page.nextCursor === null);
      seen.push(...page.items.map((item) => item.id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    assert.deepEqual(seen.slice(0, 7), made.toReversed());
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => (BigInt(a) < BigInt(b) ? 1 : -1)),
    );
    assert.equal(new Set(seen).size, seen.length);
    const bad = await it.call('/v1/links?cursor=nonsense');
    assert.deepEqual([bad.status, (await problem(bad)).code], [400, 'cursor_invalid']);
  });

  test('expiry: by ttl, by time, cleared; the redirect is never kept past it', async () => {
    const soon = await create({ url: 'https://example.com/', ttl: 30 });
    const redirect = await it.call(`/${soon.code}`);
    const maxAge = Number(/max-age=(\d+)/.exec(redirect.headers.get('cache-control') ?? '')?.[1]);
    assert(maxAge <= 30 && maxAge >= 25, `max-age ${maxAge}`);
    const expiresAt = '2090-01-01T00:00:00.000Z';
    const later = await create({ url: 'https://example.com/', expiresAt });
    assert.equal(later.expiresAt, expiresAt);
    const cleared = await json<LinkBody>(it.send('PATCH', `/v1/links/${later.id}`, { expiresAt: null }));
    assert.equal(cleared.expiresAt, null);
    const again = await json<LinkBody>(it.send('PATCH', `/v1/links/${later.id}`, { ttl: 60 }));
    assert.notEqual(again.expiresAt, null);
    for (const body of [
      { ttl: 5, expiresAt },
      { ttl: 5, expiresAt: null },
    ]) {
      assert.equal((await it.send('PATCH', `/v1/links/${later.id}`, body)).status, 422);
    }
    assert.equal((await it.send('PATCH', `/v1/links/${later.id}`, {})).status, 400);
  });

  test('an unknown id is 404 however it looks', async () => {
    for (const id of ['1', 'abc', '99999999999999999999', '-1', '0x10', '1e5', '%00', '1%20']) {
      assert.equal((await it.call(`/v1/links/${id}`)).status, 404, id);
      assert.equal((await it.send('PATCH', `/v1/links/${id}`, { ttl: 5 })).status, 404, id);
      assert.equal((await it.call(`/v1/links/${id}`, { method: 'DELETE' })).status, 404, id);
    }
  });

  test('fifty concurrent creations give fifty codes', async () => {
    const links = await Promise.all(
      Array.from({ length: 50 }, () => create({ url: 'https://example.com/' })),
    );
    assert.equal(new Set(links.map((link) => link.code)).size, 50);
    assert.equal(new Set(links.map((link) => link.id)).size, 50);
  });
});

test('a link past its expiry is 410, in memory or not, and may be revived', async () => {
  const it = await startTestServer();
  try {
    const link = await json<LinkBody>(it.send('POST', '/v1/links', { url: 'https://example.com/', ttl: 1 }));
    const expiresMs = Date.parse(link.expiresAt ?? '');
    let last = await it.call(`/${link.code}`);
    while (Date.now() < expiresMs) last = await it.call(`/${link.code}`);
    last = await it.call(`/${link.code}`);
    assert.deepEqual([last.status, (await problem(last)).code], [410, 'link_gone']);
    assert.equal((await it.send('PATCH', `/v1/links/${link.id}`, { ttl: 60 })).status, 200);
    assert.equal((await it.call(`/${link.code}`)).status, 302);
  } finally {
    await it.stop();
  }
});
