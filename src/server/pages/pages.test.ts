/**
 * What people in a browser get where programs get documents: `/`, dead and unknown links, wrong addresses.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestServer, type TestServer } from '../server.fixture.ts';
import { PAGE_POLICY } from './pages.ts';

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';
const HOSTILE = `<script>alert("1")</script> & 'so' on`;
const ESCAPED = '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;so&#39; on';

describe('pages', () => {
  let it: TestServer;
  let gone: string;
  before(async () => {
    it = await startTestServer({
      options: { pages: { language: 'de', name: HOSTILE, home: `Zwei\nZeilen ${HOSTILE}`, footer: HOSTILE } },
      systemOptions: {
        links: { pages: { goneTitle: 'Weg', goneText: HOSTILE, unknownTitle: 'Gibt es nicht' } },
      },
    });
    const made = (await (
      await it.send('POST', '/v1/links', { url: 'https://a.example/', alias: 'Gone-1' })
    ).json()) as {
      id: string;
    };
    gone = '/Gone-1';
    await it.call(`/v1/links/${made.id}`, { method: 'DELETE' });
  });
  after(() => it.stop());

  const ask = (path: string, accept: string | undefined, method = 'GET') =>
    fetch(`${it.url}${path}`, {
      method,
      redirect: 'manual',
      headers: accept === undefined ? {} : { accept },
    });

  async function assertPage(response: Response, status: number, title: string): Promise<string> {
    assert.equal(response.status, status);
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(response.headers.get('content-security-policy'), PAGE_POLICY);
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(response.headers.get('content-language'), 'de');
    assert.equal(response.headers.get('vary'), 'Accept');
    assert.match(response.headers.get('traceparent') ?? '', /^00-/);
    const body = await response.text();
    assert.match(body, /^<!doctype html>\n<html lang="de">/);
    assert(body.includes(`<h1>${title}</h1>`), body);
    assert(body.includes(ESCAPED) && !body.includes('<script'), 'texts are escaped');
    return body;
  }

  test('a dead or unknown link shows a person a page and a program a problem document', async () => {
    const cases = [
      [gone, 410, 'link_gone', 'Weg'],
      ['/no-such-link', 404, 'link_not_found', 'Gibt es nicht'],
    ] as const;
    for (const [path, status, code, title] of cases) {
      const page = await ask(path, BROWSER);
      assert.equal(page.headers.get('cache-control'), 'no-store');
      assert.equal(page.headers.get('x-robots-tag'), 'noindex');
      const traceId = page.headers.get('traceparent')?.slice(3, 35) ?? '';
      assert((await assertPage(page, status, title)).includes(traceId));
      for (const accept of [
        undefined,
        '*/*',
        'application/json',
        'text/html;q=0.4, application/problem+json',
      ]) {
        const document = await ask(path, accept);
        assert.equal(document.status, status);
        assert.equal(document.headers.get('content-type'), 'application/problem+json; charset=utf-8');
        assert.equal(document.headers.get('vary'), 'Accept');
        assert.equal(((await document.json()) as { code: string }).code, code);
      }
    }
  });

  test('HEAD has the headers of the page, and no body', async () => {
    const [head, get] = [await ask(gone, BROWSER, 'HEAD'), await ask(gone, BROWSER)];
    assert.equal(head.status, 410);
    for (const name of ['content-type', 'content-length', 'vary', 'content-security-policy'])
      assert.equal(head.headers.get(name), get.headers.get(name), name);
    assert.equal(await head.text(), '');
    await get.text();
  });

  test('what is no reading, and what is under /v1, is a problem document whoever asks', async () => {
    const post = await ask('/no-such-link', BROWSER, 'POST');
    assert.equal(((await post.json()) as { code: string }).code, 'method_not_allowed');
    assert.equal(post.headers.get('vary'), null);
    const api = await ask('/v1/nothing', BROWSER);
    assert.equal(((await api.json()) as { code: string }).code, 'not_found');
  });

  test('a wrong address shows a person a page, too', async () => {
    await assertPage(await ask('/a/b/c', BROWSER), 404, 'There is nothing at this address');
    const document = await ask('/a/b/c', undefined);
    assert.equal(((await document.json()) as { code: string }).code, 'not_found');
    assert.equal(document.headers.get('vary'), 'Accept');
  });

  test('/ says what runs here, to a person and to a program', async () => {
    const body = await assertPage(await ask('/', BROWSER), 200, ESCAPED);
    assert(body.includes('Zwei\nZeilen'));
    for (const path of ['/docs', '/docs/errors', '/openapi.json']) {
      assert(body.includes(`href="${path}"`));
      assert.equal((await ask(path, BROWSER)).status, 200);
    }
    assert.match(body, /<strong>links<\/strong> · Short links that redirect/);
    const document = await ask('/', undefined);
    assert.equal(document.headers.get('vary'), 'Accept');
    const about = (await document.json()) as { name: string; systems: { name: string }[]; reference: string };
    assert.deepEqual(
      [about.name, about.systems.map(({ name }) => name), about.reference],
      ['loadstone', ['links'], '/docs'],
    );
    assert.equal((await ask('/', BROWSER, 'HEAD')).status, 200);
    assert.equal((await ask('/', BROWSER, 'POST')).status, 405);
  });

  test('browsers get an icon that they may keep, crawlers what they may follow', async () => {
    const icon = await ask('/favicon.ico', 'image/avif,image/webp,*/*;q=0.8');
    assert.equal(icon.headers.get('content-type'), 'image/vnd.microsoft.icon');
    assert.match(icon.headers.get('cache-control') ?? '', /^public, max-age=\d+$/);
    const bytes = Buffer.from(await icon.arrayBuffer());
    assert(bytes.length < 1024);
    assert.deepEqual([...bytes.subarray(0, 6)], [0, 0, 1, 0, 1, 0]);
    assert.equal(bytes.subarray(22, 30).toString('latin1'), '\x89PNG\r\n\x1a\n');
    const robots = await ask('/robots.txt', '*/*');
    assert.equal(robots.headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.match(await robots.text(), /^User-agent: \*\nDisallow: \/v1\/\n/);
  });
});

test('by default pages are in English, and named by the host', async () => {
  const it = await startTestServer({ options: { publicUrl: 'https://Bücher.example:8443' } });
  try {
    const page = await fetch(`${it.url}/no-such-link`, { headers: { accept: BROWSER } });
    const body = await page.text();
    assert.match(body, /<html lang="en">/);
    assert.match(body, /<title>There is no such link · xn--bcher-kva\.example:8443<\/title>/);
    assert.match(body, /capital and small letters/);
    assert.doesNotMatch(body, /no link has the code/);
  } finally {
    await it.stop();
  }
});
