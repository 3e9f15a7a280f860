/**
 * What the server does for every route by what its shape says: access, preconditions, lists. With systems from outside.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { OpenApi } from '../reference/openapi.ts';
import { problem, startTestServer, type TestServer } from '../server.fixture.ts';
import { deskPath } from './desk.fixture.ts';

const WRONG = { authorization: 'Bearer a-key-that-is-nobodys-0123456789' };

let it: TestServer;
before(async () => {
  it = await startTestServer({ systems: ['links', './examples/notes', deskPath] });
});
after(() => it.stop());

describe('access', () => {
  test('a public route is answered without a key, with a wrong one and with one, and never told of a principal', async () => {
    for (const headers of [{}, WRONG, { authorization: `Bearer ${it.key}` }]) {
      const answer = await fetch(`${it.url}/v1/desk`, { headers });
      assert.equal(answer.status, 200);
      const { told, role } = (await answer.json()) as { told: string[]; role: string };
      assert.deepEqual(told, ['log', 'reader', 'signal', 'traceHeaders', 'traceId']);
      assert.notEqual(role, 'loadstone_app', 'what anybody can cause has connections of its own');
    }
  });

  test('a public route has its body read and checked', async () => {
    const post = (body: string, type = 'application/json') =>
      fetch(`${it.url}/v1/desk/bell`, { method: 'POST', body, headers: { 'content-type': type } });
    const rung = await post('{"text":"hello"}');
    assert.deepEqual([rung.status, await rung.json()], [200, { text: 'hello' }]);
    for (const [answer, status] of [
      [await post('{"text":1}'), 400],
      [await post('{'), 400],
      [await post('text', 'text/plain'), 415],
    ] as const) {
      assert.equal(answer.status, status);
      await answer.text();
    }
  });

  test('any other route needs a key', async () => {
    for (const path of ['/v1/desk/sheet', '/v1/links', '/v1/notes', '/v1/jobs/1']) {
      for (const headers of [{}, WRONG]) {
        const answer = await fetch(`${it.url}${path}`, { headers });
        assert.deepEqual([answer.status, (await problem(answer)).code], [401, 'unauthenticated'], path);
      }
    }
  });

  test('every operation says what it needs, and is answered so', async () => {
    const { paths } = (await (await fetch(`${it.url}/openapi.json`)).json()) as OpenApi;
    const needs = Object.fromEntries(
      Object.values(paths).flatMap((methods) =>
        Object.values(methods).map((each) => [
          each.operationId,
          each.security?.length === 0 ? 'public' : each['x-permission'],
        ]),
      ),
    );
    const [read, write] = ['links:read', 'links:write'];
    assert.deepEqual(needs, {
      ...{ shorten: write, createLink: write, patchLink: write, deleteLink: write },
      ...{ getLink: read, listLinks: read, countLinks: read, followLink: 'public' },
      ...{
        addNote: 'notes:write',
        writeNote: 'notes:write',
        deleteNote: 'notes:write',
        listNotes: 'notes:read',
        getNote: 'notes:read',
      },
      ...{ lookAtDesk: 'public', ringBell: 'public', writeSheet: 'desk:write' },
      ...{ readSheet: 'desk:read', readNothing: 'desk:read', getJob: 'core:read' },
    });
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { operationId, security }] of Object.entries(methods)) {
        const url = `${it.url}${path.replaceAll(/\{\w+\}/g, '1')}`;
        const { status } = await fetch(url, { method: method.toUpperCase(), redirect: 'manual' });
        assert.equal(status === 401, security?.length !== 0, operationId);
      }
    }
  });
});

describe('preconditions', () => {
  const read = (headers: Record<string, string> = {}, method = 'GET') =>
    it.call('/v1/desk/sheet', { headers, method });
  const write = (text: string, headers: Record<string, string> = {}) =>
    it.send('PUT', '/v1/desk/sheet', { text }, headers);

  test('a route that says it has a version gets all of them from the server', async () => {
    const first = await read();
    const tag = first.headers.get('etag') as string;
    assert.deepEqual([tag, await first.json()], ['"1"', { text: 'first' }]);
    for (const method of ['GET', 'HEAD']) {
      const known = await read({ 'if-none-match': `"7", W/${tag}` }, method);
      assert.deepEqual([known.status, known.headers.get('etag'), await known.text()], [304, tag, '']);
      assert.equal(known.headers.get('cache-control'), 'private', 'what a cache is told with 200');
    }
    const other = await read({ 'if-match': '"7"' });
    assert.deepEqual([other.status, (await problem(other)).code], [412, 'precondition_failed']);
    assert.equal(other.headers.get('etag'), null);
    const written = await write('second', { 'if-match': `"7", ${tag}` });
    assert.deepEqual([written.status, written.headers.get('etag')], [200, '"2"']);
    for (const headers of [{ 'if-match': tag }, { 'if-match': 'W/"2"' }, { 'if-none-match': '*' }]) {
      const refused = await write('third', headers as Record<string, string>);
      assert.deepEqual([refused.status, (await problem(refused)).code], [412, 'precondition_failed']);
    }
    for (const answer of [
      await read({ 'if-match': '1' }),
      await write('third', { 'if-none-match': 'W/1' }),
    ]) {
      assert.deepEqual([answer.status, (await problem(answer)).code], [400, 'precondition_malformed']);
    }
    assert.deepEqual(await (await read({ 'if-match': '*' })).json(), { text: 'second' });
  });

  test('a route without one passes them over', async () => {
    assert.equal((await it.call('/v1/links', { headers: { 'if-match': 'nonsense' } })).status, 200);
  });

  test('a read that states no version is a defect of its system', async () => {
    const answer = await it.call('/v1/desk/nothing');
    assert.deepEqual([answer.status, (await problem(answer)).code], [500, 'internal']);
  });
});

describe('lists', () => {
  interface Page {
    items: { id: string }[];
    nextCursor: string | null;
  }
  const list = async (path: string, query: string) =>
    (await (await it.call(`${path}?${query}`)).json()) as Page;
  const refusal = async (path: string, cursor: string) => {
    const answer = await it.call(`${path}?cursor=${encodeURIComponent(cursor)}`);
    return [answer.status, (await problem(answer)).code];
  };

  test('what is added and deleted while one pages hides and repeats nothing', async () => {
    const add = async (text: string) => {
      const made = (await (await it.send('POST', '/v1/notes', { text })).json()) as { id: string };
      return made.id;
    };
    const steady: string[] = [];
    const passing: string[] = [];
    for (let at = 0; at < 4; at++) {
      steady.push(await add(`steady ${at}`));
      passing.push(await add(`passing ${at}`));
    }
    const seen: string[] = [];
    for (let query = 'limit=2'; query !== ''; ) {
      const { items, nextCursor } = await list('/v1/notes', query);
      seen.push(...items.map(({ id }) => id));
      query = nextCursor === null ? '' : `limit=2&cursor=${encodeURIComponent(nextCursor)}`;
      const gone = passing.pop();
      if (gone) assert.equal((await it.call(`/v1/notes/${gone}`, { method: 'DELETE' })).status, 204);
      if (seen.length < 8) await add('new');
    }
    assert.deepEqual(
      seen.filter((id) => steady.includes(id)),
      steady.toReversed(),
    );
  });

  test('a cursor of one list is none of another', async () => {
    for (let at = 0; at < 2; at++) {
      await it.send('POST', '/v1/notes', { text: 'one more' });
      await it.send('POST', '/v1/links', { url: 'https://example.com/list' });
    }
    const cursors = await Promise.all(['/v1/notes', '/v1/links'].map((path) => list(path, 'limit=1')));
    const [ofNotes, ofLinks] = cursors.map(({ nextCursor }) => nextCursor as string) as [string, string];
    assert.equal((await list('/v1/notes', `cursor=${ofNotes}`)).items.length > 0, true);
    assert.deepEqual(await refusal('/v1/links', ofNotes), [400, 'cursor_invalid']);
    assert.deepEqual(await refusal('/v1/notes', ofLinks), [400, 'cursor_invalid']);
    const ofBefore = Buffer.from('1:117896458777124864').toString('base64url');
    for (const cursor of ['nonsense', '', ofBefore, `${ofLinks}=`, ofLinks.slice(1), '%00', 'ÿ'])
      assert.deepEqual(await refusal('/v1/links', cursor), [400, 'cursor_invalid'], cursor);
    assert.deepEqual(await refusal('/v1/links', 'x'.repeat(2801)), [400, 'request_invalid']);
  });
});
