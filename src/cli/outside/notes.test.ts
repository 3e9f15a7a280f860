/**
 * A system from outside this repository's src: the example, copied to a directory where nothing is installed.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { describeError, isLoadstoneError } from '#base/errors';
import { sql } from '#blocks/database';
import { locateDatabase, lookInto } from '#fixtures/database';
import { loadSystems } from '#server/systems/systems';
import { readConfiguration } from '../config.ts';
import { createScene, FREE_PORT, type Loadstone, ROOT, type Scene } from '../process.fixture.ts';

const NOTES = join(ROOT, 'examples', 'notes');

function copyNotes(scene: Scene): string {
  const cwd = scene.directory();
  cpSync(NOTES, join(cwd, 'notes'), { recursive: true });
  writeFileSync(join(cwd, 'loadstone.yaml'), 'systems: [links, ./notes]\nnotes: {textCharsMax: 20}\n');
  return cwd;
}

describe('the example', () => {
  const scene = createScene({ after });
  let server: Loadstone;
  before(async () => {
    const cwd = copyNotes(scene);
    server = await scene.start({ cwd, data: join(cwd, 'data') });
  });

  const add = (text: unknown) => server.request('/v1/notes', { method: 'POST', body: { text } });
  const list = async () => (await (await server.request('/v1/notes?limit=10')).json()) as { items: object[] };

  test('creates, lists and deletes', async () => {
    const replies = [await add('one'), await add('two')];
    const [one, two] = (await Promise.all(replies.map((reply) => reply.json()))) as { id: string }[];
    assert.deepEqual(
      replies.map(({ status }) => status),
      [201, 201],
    );
    assert.deepEqual((await list()).items, [
      { id: two?.id, text: 'two' },
      { id: one?.id, text: 'one' },
    ]);
    const path = `/v1/notes/${one?.id}`;
    assert.equal((await server.request(path, { method: 'DELETE' })).status, 204);
    assert.equal((await server.request(path, { method: 'DELETE' })).status, 404);
    assert.deepEqual((await list()).items, [{ id: two?.id, text: 'two' }]);
  });

  test('an older version of a route is answered by the newer one, and says when it ends', async () => {
    const send = (path: string, body: object, headers: Record<string, string> = {}) =>
      fetch(`${server.url}${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: {
          authorization: `Bearer ${server.key}`,
          'content-type': 'application/json',
          ...headers,
        },
      });
    const key = { 'idempotency-key': 'one-note' };
    const written = await send('/v2/notes', { lines: ['a', 'b'] });
    assert.deepEqual([written.status, written.headers.get('deprecation')], [201, null]);
    const { id: twoId, ...two } = (await written.json()) as { id: string };
    assert.deepEqual(two, { lines: ['a', 'b'] });
    const [added, again] = [
      await send('/v1/notes', { text: 'c\nd' }, key),
      await send('/v1/notes', { text: 'c\nd' }, key),
    ];
    const { id: oneId, ...one } = (await added.json()) as { id: string };
    assert.deepEqual(one, { text: 'c\nd' });
    assert.deepEqual(await again.json(), { id: oneId, text: 'c\nd' });
    assert.equal(again.headers.get('idempotency-replayed'), 'true');
    const refusals = [
      await send('/v1/notes', { lines: ['x'] }),
      await send('/v1/notes', { text: 'x'.repeat(21) }),
      await send('/v1/notes', { text: '\n'.repeat(1000) }),
      await server.request('/v1/notes', {
        method: 'POST',
        body: { text: 'x' },
        key: 'none-that-anybody-has-made',
      }),
    ];
    assert.deepEqual(
      refusals.map(({ status }) => status),
      [400, 422, 422, 401],
    );
    for (const { headers, status } of [added, again, ...refusals]) {
      assert.equal(headers.get('deprecation'), '@1796083200', String(status));
      assert.equal(headers.get('sunset'), 'Wed, 01 Dec 2027 00:00:00 GMT');
      assert.equal(
        headers.get('link'),
        '<https://example.com/notes/v2>; rel="deprecation", <https://example.com/notes/v2>; rel="sunset"',
      );
    }
    const unfit = (await refusals[2]?.json()) as { code: string; errors: { pointer: string }[] };
    assert.deepEqual([unfit.code, unfit.errors[0]?.pointer], ['version_unfit', '/lines']);
    const metrics = await (await server.request('/metrics')).text();
    assert.match(metrics, /duration_seconds_count\{method="POST",route="\/v1\/notes",status="201"\} [3-9]/);
    for (const id of [oneId, twoId]) await server.request(`/v1/notes/${id}`, { method: 'DELETE' });
  });

  test('gets authentication, validation and problem documents for nothing', async () => {
    assert.equal((await server.request('/v1/notes', { key: 'none-that-anybody-has-made' })).status, 401);
    const wrong = await add(5);
    assert.equal(wrong.status, 400);
    assert.equal(wrong.headers.get('content-type'), 'application/problem+json; charset=utf-8');
    const problem = (await wrong.json()) as { code: string; errors: { pointer: string }[] };
    assert.equal(problem.code, 'request_invalid');
    assert.equal(problem.errors[0]?.pointer, '/text');
    assert.equal((await server.request('/v1/notes?limit=0')).status, 400);
    assert.equal((await server.request('/v1/notes', { method: 'PUT' })).status, 405);
  });

  test('has its own options and errors', async () => {
    const problem = (await (await add('x'.repeat(21))).json()) as { status: number; code: string };
    assert.equal(problem.status, 422);
    assert.equal(problem.code, 'note_too_long');
  });

  test('is in the OpenAPI document, in the reference and among its errors', async () => {
    const openapi = (await (await server.request('/openapi.json')).json()) as {
      paths: Record<string, Record<string, { operationId: string; deprecated?: true; description: string }>>;
    };
    const older = openapi.paths['/v1/notes']?.post;
    assert.deepEqual([older?.operationId, older?.deprecated], ['addNote', true]);
    assert.match(older?.description ?? '', /since 2026-12-01\..* from 2027-12-01 on/);
    const newer = openapi.paths['/v2/notes']?.post;
    assert.deepEqual([newer?.operationId, newer?.deprecated], ['writeNote', undefined]);
    assert.equal(openapi.paths['/v1/notes/{id}']?.delete?.operationId, 'deleteNote');
    assert.match(await (await server.request('/docs')).text(), /Keep a note/);
    assert.match(await (await server.request('/docs/errors')).text(), /note_too_long/);
  });

  test('runs beside links', async () => {
    assert.equal(await server.follow(await server.shorten('https://example.com/')), 'https://example.com/');
  });

  test('a note takes about what its model says', async () => {
    const [notes] = await loadSystems([NOTES], '/');
    const { admin, close } = lookInto(locateDatabase(server.data));
    const NOTES_MADE = 10_000;
    for (const textBytes of [60, 600]) {
      await admin.run(sql`create table public.notes (like notes.notes including all)`);
      await admin.run(sql`insert into public.notes (workspace_id, bucket, note_id, text)
        select 1, 0, i::bigint << 22, repeat('x', ${textBytes}::integer) from generate_series(1, ${NOTES_MADE}::integer) i`);
      const row = await admin.first<{ bytes: number }>(
        sql`select pg_total_relation_size('public.notes')::float8 as bytes`,
      );
      await admin.run(sql`drop table public.notes`);
      const [model = 0, measured] = [
        notes?.model?.operations.add?.(textBytes).rowBytesStored,
        (row?.bytes ?? 0) / NOTES_MADE,
      ];
      assert(
        Math.abs(model / measured - 1) <= 0.15,
        `${textBytes}: ${model} by the model, ${measured} measured`,
      );
    }
    await close();
  });

  test('keeps what it has through a restart', async () => {
    const { items } = await list();
    await server.stop();
    server = await scene.start({ cwd: join(server.data, '..'), data: server.data, key: server.key });
    assert.deepEqual((await list()).items, items);
    await server.stop();
  });
});

describe('what keeps a system from being loaded is told on one line', () => {
  const scene = createScene({ after });

  /** A directory with a copy of the example, a module `./mine`, and the configuration. */
  function prepare(yaml: string, files: Record<string, string>): string {
    const cwd = copyNotes(scene);
    mkdirSync(join(cwd, 'mine'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, 'mine', name), text);
    writeFileSync(join(cwd, 'loadstone.yaml'), yaml);
    return cwd;
  }

  async function refusal(yaml: string, files: Record<string, string>): Promise<string> {
    const config = join(prepare(yaml, files), 'loadstone.yaml');
    const error = await readConfiguration({ config }, {}).then(
      () => assert.fail(`taken: ${yaml}`),
      (reason: unknown) => reason,
    );
    assert(isLoadstoneError(error), String(error));
    return describeError(error);
  }

  const mine = 'systems: [links, ./mine]\n';
  const define = (more: string) =>
    `import { defineSystem, optionsSchema } from 'loadstone';\n` +
    `export default defineSystem({ summary: 'Mine.', options: optionsSchema({}), create: () => ({ routes: [] }), ${more} });\n`;

  test('an unknown option', async () => {
    const line = await refusal('systems: [links, ./notes]\nnotes: {colour: blue}\n', {});
    assert.match(line, /notes\.colour: .*not known here .*; known is textCharsMax/);
  });

  test('an impossible option', async () => {
    const line = await refusal('systems: [links, ./notes]\nnotes: {textCharsMax: 0}\n', {});
    assert.match(line, /notes\.textCharsMax: 0 is not allowed; allowed is an integer from 1 to 10000/);
  });

  test('by the command, before anything is started', async () => {
    const cwd = prepare(mine, { 'index.ts': 'export const system = 1;\n' });
    const { code, stdout, stderr } = await scene.run(['start', '--listen', FREE_PORT], { cwd });
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(stderr, 'loadstone: systems: ./mine does not export a system as its default\n');
  });

  test('no module', async () => {
    assert.match(
      await refusal(mine, {}),
      /systems: \.\/mine has no module \(looked for .*\/mine and its index file\)/,
    );
  });

  test('a module with a syntax error, its file and line with it', async () => {
    const broken = 'const one = 1;\nexport default {;\n';
    for (const name of ['index.ts', 'index.mts', 'index.js', 'index.mjs']) {
      const line = await refusal(mine, { [name]: broken });
      assert.match(
        line,
        new RegExp(`^systems: \\./mine cannot be loaded: \\S*/mine/${name}:2: Unexpected token`),
      );
      assert.doesNotMatch(line, /cause/);
    }
    const typed = await refusal(mine, { 'index.ts': '\nenum Colour {}\nexport default Colour;\n' });
    assert.match(typed, /mine\/index\.ts:2: TypeScript enum is not supported in strip-only mode$/);
  });

  test('a module that imports one with a syntax error, or a name that is not there', async () => {
    const imports = (file: string) => `import { add } from './${file}';\nexport default add;\n`;
    for (const file of ['add.ts', 'add.js']) {
      const line = await refusal(mine, { 'index.mjs': imports(file), [file]: '\n\nexport const = 1;\n' });
      assert.match(line, new RegExp(`mine/${file.replace('.', '\\.')}:3: `), file);
    }
    const line = await refusal(mine, { 'index.mjs': imports('add.ts'), 'add.ts': 'export const one = 1;\n' });
    assert.match(line, /mine\/index\.mjs:1: .*does not provide an export named 'add'/);
  });

  test('a module that throws', async () => {
    const line = await refusal(mine, { 'index.js': "export {};\nthrow new Error('no luck\\ntoday');\n" });
    assert.match(line, /systems: \.\/mine cannot be loaded: \S*mine\/index\.js:2: no luck today/);
  });

  test('a module that imports what is not there', async () => {
    const line = await refusal(mine, { 'index.mjs': "import 'not-installed';\n" });
    assert.match(line, /systems: \.\/mine cannot be loaded: .*Cannot find package 'not-installed'/);
  });

  test('a module without a default export, or with another one', async () => {
    const line = /systems: \.\/mine does not export a system as its default/;
    assert.match(await refusal(mine, { 'index.mjs': 'export const system = 1;\n' }), line);
    assert.match(await refusal(mine, { 'index.mjs': 'export default { name: "mine" };\n' }), line);
  });

  test('a name that is taken or reserved', async () => {
    const index = (more: string) => ({ 'index.mjs': define(more) });
    assert.match(await refusal(mine, index("name: 'links'")), /systems: links is named twice/);
    assert.match(
      await refusal(mine, index("name: 'http'")),
      /systems: \.\/mine cannot be loaded: .*http is reserved/,
    );
    assert.match(
      await refusal(mine, index("name: 'My-System'")),
      /cannot be loaded: .*a system name is lower-case/,
    );
    const undeclared = 'export default { name: "core", summary: "", options: {}, create() {} };\n';
    assert.match(await refusal(mine, { 'index.mjs': undeclared }), /systems: \.\/mine: core is reserved/);
  });

  test('a name that is an option of the server', async () => {
    assert.match(
      await refusal(mine, { 'index.mjs': define("name: 'ids'") }),
      /systems: \.\/mine: ids is an option/,
    );
  });

  test('an error code that is taken', async () => {
    const text = `import { defineErrors } from 'loadstone';\ndefineErrors('mine', { link_not_found: { status: 404, title: 'x', doc: 'x' } });\n`;
    assert.match(await refusal(mine, { 'index.mjs': text }), /error code link_not_found is defined twice/);
  });
});

describe('what keeps a system from starting is told on one line', () => {
  const scene = createScene({ after });
  const cwd = scene.directory();

  async function refusal(body: string): Promise<{ line: string; stdout: string }> {
    writeFileSync(
      join(cwd, 'mine.mjs'),
      `import { defineRoute, defineSystem, handleRoute, optionsSchema, Type } from 'loadstone';\nexport default defineSystem({ name: 'mine', summary: 'Mine.', options: optionsSchema({}), ${body} });\n`,
    );
    const { code, stderr, stdout } = await scene.run(
      ['start', '--listen', FREE_PORT, '--systems', 'links,./mine.mjs'],
      { cwd },
    );
    assert.equal(code, 1, stderr);
    const lines = stderr.trimEnd().split('\n');
    assert.deepEqual(
      lines.slice(0, -1).filter((line) => !line.startsWith('{')),
      [],
    );
    return { line: lines.at(-1) ?? '', stdout };
  }

  test('create throws; the key that was made before is not lost', async () => {
    const { line, stdout } = await refusal("create() { throw new Error('no luck'); }");
    assert.match(line, /^loadstone: .*no luck/);
    assert.match(stdout, /^ {2}API key {9}lsk_\S+/m);
  });

  test('a route outside of /v1/', async () => {
    const shape = `{ method: 'GET', path: '/mine', id: 'mine', summary: 'Mine', access: 'public', replies: { 200: Type.Object({}) } }`;
    const { line } = await refusal(
      `create: () => ({ routes: [handleRoute(defineRoute(${shape}), async () => ({ status: 200, body: {} }))] })`,
    );
    assert.match(
      line,
      /^loadstone: mine: GET \/mine: the path of a route starts with a version, such as \/v1\/$/,
    );
  });

  test('a route that does not say who may ask', async () => {
    const shape = `{ method: 'GET', path: '/v1/mine', id: 'mine', summary: 'Mine', replies: { 200: Type.Object({}) } }`;
    const { line } = await refusal(
      `create: () => ({ routes: [handleRoute(defineRoute(${shape}), async () => ({ status: 200, body: {} }))] })`,
    );
    assert.match(
      line,
      /^loadstone: mine: GET \/v1\/mine: its access is "undefined"; allowed is public, or a /,
    );
  });

  test('a route that links has', async () => {
    const shape = `{ method: 'GET', path: '/v1/links', id: 'mine', summary: 'Mine', access: 'public', replies: { 200: Type.Object({}) } }`;
    const { line, stdout } = await refusal(
      `create: () => ({ routes: [handleRoute(defineRoute(${shape}), async () => ({ status: 200, body: {} }))] })`,
    );
    assert.match(line, /^loadstone: links and mine both have GET \/v1\/links$/);
    assert.doesNotMatch(stdout, /API key/);
  });
});
