/**
 * The reference of a running server: what it shows, and that what it says to paste works.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { startTestServer, type TestServer } from '../server.fixture.ts';
import type { OpenApi } from './openapi.ts';

const run = promisify(execFile);

const ENTITIES: Record<string, string> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&amp;': '&',
};
const plainText = (html: string) =>
  html.replaceAll(/&(?:lt|gt|quot|#39|amp);/g, (entity) => ENTITIES[entity] ?? '');

describe('/docs', () => {
  let it: TestServer;
  let html: string;
  let headers: Headers;
  let document: OpenApi;
  before(async () => {
    it = await startTestServer({ systems: ['links', './examples/notes'] });
    const page = await fetch(`${it.url}/docs`);
    headers = page.headers;
    html = await page.text();
    document = (await (await fetch(`${it.url}/openapi.json`)).json()) as OpenApi;
  });
  after(() => it.stop());

  /** The lines that a person would copy, by operation. */
  function lines(): Map<string, string> {
    const found = html.matchAll(/<section id="(\w+)">[\s\S]*?<div class="curl"><pre>([\s\S]*?)<\/pre>/g);
    return new Map([...found].map(([, id = '', line = '']) => [id, plainText(line)]));
  }

  test('has every operation, the redirect too, with what it takes and in which form', () => {
    assert.deepEqual(
      [...lines().keys()],
      [
        ...[
          'shorten',
          'createLink',
          'listLinks',
          'countLinks',
          'getLink',
          'patchLink',
          'deleteLink',
          'followLink',
        ],
        ...['writeNote', 'addNote', 'listNotes', 'getNote', 'deleteNote', 'getJob'],
      ],
    );
    assert.match(html, /<span class="method">GET<\/span> \/\{code\}<\/code>/);
    assert.match(html, />301, 302, 307 or 308\.</);
    assert.match(html, />a time \(RFC 3339\) or null, required\.</);
    assert.match(html, /Default 20\./);
    assert.match(html, /the link gets that code/);
    assert.match(html, /With an <code>alias<\/code>/, 'Markdown is rendered');
    assert.match(html, /The <code>nextCursor<\/code> of the page before/, 'parameters are described');
    assert.match(html, /409 <a href="\/docs\/errors#alias_taken">/);
  });

  test('every line for curl is answered as the reference says', async () => {
    const seen: Record<string, number> = {};
    for (const [id, line] of lines()) {
      const { stdout } = await run('/bin/sh', ['-c', `${line} -o /dev/null -w '%{http_code}'`], {
        env: { ...process.env, KEY: it.key },
      });
      seen[id] = Number(stdout.slice(-3));
    }
    assert.deepEqual(seen, {
      ...{
        shorten: 201,
        createLink: 201,
        listLinks: 200,
        countLinks: 200,
        listNotes: 200,
        writeNote: 201,
        addNote: 201,
      },
      // The ids of examples are nobody's.
      ...{ getLink: 404, patchLink: 404, deleteLink: 404, followLink: 404 },
      ...{ getNote: 404, deleteNote: 404, getJob: 404 },
    });
  });

  test('runs and shows nothing but its own: both are named by their hashes', () => {
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /^default-src 'none'; /);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    for (const element of ['style', 'script']) {
      const [whole, ...more] = html.matchAll(new RegExp(`<${element}>([\\s\\S]*?)</${element}>`, 'g'));
      assert.equal(more.length, 0);
      const hash = createHash('sha256')
        .update(whole?.[1] ?? '')
        .digest('base64');
      assert(policy.includes(`${element}-src 'sha256-${hash}'`), element);
    }
    assert.doesNotMatch(html, /\s(?:style|on\w+)="/);
  });

  test('an example that is given fits its schema, and everything is described', () => {
    const schemas = Object.entries(document.components.schemas);
    const bare = schemas.flatMap(([name, { properties = {} }]) =>
      Object.entries(properties).flatMap(([field, schema]) =>
        schema.description || schema.$ref || schema.items ? [] : [`${name}.${field}`],
      ),
    );
    assert.deepEqual(bare, []);
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    for (const { operationId, parameters = [], requestBody, responses } of operations) {
      for (const { name, description } of parameters) assert(description, `${operationId}: ${name}`);
      const media = requestBody?.content['application/json'];
      assert(media === undefined || media.example !== undefined, `${operationId} has no example`);
      for (const [status, { content = {} }] of Object.entries(responses)) {
        for (const [type, reply] of Object.entries(content))
          assert(reply.example !== undefined || status === 'default', `${operationId} ${status} ${type}`);
      }
    }
  });
});
