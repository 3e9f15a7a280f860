/**
 * Whether the corpus is what it says, without a server: each body is led through the steps that a request takes.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Compile } from 'typebox/compile';
import { isLoadstoneError } from '#base/errors';
import { createLink, shorten } from '../api.ts';
import type { LinkInput } from '../creation.ts';
import { parseAlias } from '../fields/alias.ts';
import { ownHosts, parseDestination } from '../fields/destination.ts';
import { parseExpiry } from '../fields/expiry.ts';
import { type HostileBody, hostileBodies } from './hostile-bodies.fixture.ts';

const BODY_BYTES_MAX = 1_048_576;
const NOW_MS = Date.UTC(2026, 1, 1);
const PORT = '8080';
const OWN = `127.0.0.1:${PORT}`;
const own = ownHosts(`http://${OWN}`, [OWN]);
const fits = { '/v1/shorten': Compile(shorten.body!), '/v1/links': Compile(createLink.body!) };

function readJson(bytes: Buffer): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
}

/** The code of the first step that refuses. */
function refusal({ body, contentType = 'application/json', path }: HostileBody): string | undefined {
  const bytes =
    typeof body === 'string' ? Buffer.from(body.replaceAll('{own}', OWN).replaceAll('{port}', PORT)) : body;
  if (contentType !== 'application/json') return 'media_type_unsupported';
  if (bytes.length > BODY_BYTES_MAX) return 'body_too_large';
  let input: unknown;
  try {
    input = readJson(bytes);
  } catch {
    return 'json_malformed';
  }
  if (!fits[path].Check(input)) return 'request_invalid';
  try {
    const link = input as LinkInput;
    parseDestination(link.url, own);
    parseExpiry(link, NOW_MS);
    if (link.alias !== undefined) parseAlias(link.alias);
  } catch (error) {
    assert(isLoadstoneError(error), String(error));
    return error.code;
  }
  return undefined;
}

suite('hostile bodies', () => {
  test('are many, each with a name of its own', () => {
    assert(hostileBodies.length >= 80);
    assert.equal(
      new Set(hostileBodies.map(({ name, path }) => `${path} ${name}`)).size,
      hostileBodies.length,
    );
  });

  for (const [code, bodies] of Map.groupBy(hostileBodies, ({ expectCode }) => expectCode)) {
    test(`${bodies.length} give ${code}`, () => {
      for (const hostile of bodies) {
        assert.equal(refusal(hostile), code, hostile.name);
        assert(hostile.expectStatus >= 400 && hostile.expectStatus < 500, hostile.name);
      }
    });
  }
});
