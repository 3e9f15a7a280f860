/**
 * The server's own paths, held against its routes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import { OWN_PATHS } from '#blocks/system';
import { createPages } from '../pages/pages.ts';
import { createOpenApi } from '../reference/openapi.ts';
import { problem, startTestServer, type TestServer } from '../server.fixture.ts';
import { addOwnRoutes, addReferenceRoutes, type OwnDeps } from '../systems/own-routes.ts';
import { addFrontRoutes } from './front-routes.ts';

/** What no path answers yet. */
const KEPT = new Set(['-', 'console', ...[2, 3, 4, 5, 6, 7, 8, 9].map((version) => `v${version}`)]);

test('each of the server’s own routes begins with a word of the list, and each word is of a route, or kept', () => {
  const seen = new Set<string>(['v1']);
  const app = Fastify();
  app.addHook('onRoute', ({ url }) => {
    seen.add(url.split('/')[1] ?? '');
  });
  const publicUrl = 'https://go.example.com';
  const pagesOptions = { name: undefined, home: '', footer: '', language: 'en' };
  // Declaring routes asks nothing of what answers them.
  addOwnRoutes(app, {} as OwnDeps);
  addFrontRoutes(app, createPages(pagesOptions as never, { publicUrl, systems: [] }), {
    publicUrl,
    systems: [],
  });
  addReferenceRoutes(app, createOpenApi({ publicUrl }, []));
  seen.delete('');
  assert.deepEqual(
    [...OWN_PATHS].filter((word) => !seen.has(word) && !KEPT.has(word)),
    [],
  );
  assert.deepEqual(
    [...seen].filter((word) => !OWN_PATHS.has(word)),
    [],
  );
  assert.deepEqual(
    [...seen].filter((word) => KEPT.has(word)),
    [],
    'answered, and so no more only kept',
  );
});

test('no link has a word of the list, in whatever case', async () => {
  const it: TestServer = await startTestServer();
  try {
    for (const word of OWN_PATHS) {
      const alias = word.toUpperCase();
      const answer = await it.send('POST', '/v1/links', { url: 'https://example.com/', alias });
      assert.deepEqual([answer.status, (await problem(answer)).code], [422, 'alias_reserved'], alias);
    }
  } finally {
    await it.stop();
  }
});
