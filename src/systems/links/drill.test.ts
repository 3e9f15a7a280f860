/**
 * What drills send to links is what its routes take, and what they learn is what these answer.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { seededRandom } from '#base/random';
import type { DrillRequest, RouteShape } from '#blocks/system';
import * as api from './api.ts';
import { linksCalibration } from './calibrate.ts';
import { linksDrill } from './drill.ts';
import links from './index.ts';

const shapes = Object.values(api).filter(
  (each) => typeof each === 'object' && 'path' in each && 'method' in each,
) as unknown as RouteShape[];
const item = { id: '117896458777124864', remembered: { code: 'abc1234', etag: '"3"' } };

/** The shape that a request is for; undefined for a redirect. */
function shapeOf({ method, path }: DrillRequest): RouteShape | undefined {
  const [wanted = ''] = path.split('?');
  const isAt = (shape: RouteShape) =>
    new RegExp(`^${shape.path.replaceAll(/:\w+/g, '\\d+')}$`).test(wanted) && shape.method === method;
  return shapes.find(isAt);
}

function assertTaken(request: DrillRequest, id?: string): void {
  if (request.isPublic) {
    assert.match(request.path, /^\/\w+$/);
    return;
  }
  const shape = shapeOf(request);
  assert(shape, `${request.method} ${request.path}`);
  if (id !== undefined) assert.equal(shape.id, id);
  const isRight = shape.body === undefined || Compile(shape.body as TSchema).Check(request.body);
  assert(isRight, JSON.stringify(request.body));
}

test('each operation sends what the route that it names takes', () => {
  const value = linksDrill.toValue?.('1/links-1/2') ?? '';
  assert(URL.canParse(value));
  for (const operation of Object.values(linksDrill.operations)) {
    const { effect, route } = operation;
    const request =
      effect === 'look' || effect === 'work'
        ? operation.request()
        : operation.request(item, value, seededRandom(1));
    assertTaken(request, route.id);
  }
});

test('what is measured are requests that routes take', () => {
  assertTaken(linksCalibration.prepare(0), 'createLink');
  const kept = Array.from({ length: 1000 }, (_, n) => ({ id: String(n), code: `c${n}` }));
  for (const measure of Object.values(linksCalibration.measures)) {
    const requests = 'reads' in measure ? measure.reads(kept) : [measure.write(0)];
    assert(requests.length > 0);
    for (const request of requests) assertTaken(request);
  }
});

test('a creation tells its id, its code and what time it was at the server', () => {
  const { createShort } = linksDrill.operations;
  assert(createShort?.effect === 'create' && createShort.learn);
  const { remember = {} } = createShort.request(item, 'https://example.com/', seededRandom(1));
  const ttlMs = Number(remember.ttlS) * 1000;
  const body = { id: '7', code: 'x', expiresAt: new Date(90_000 + ttlMs).toISOString() };
  const learnt = createShort.learn(
    { status: 201, headers: { etag: '"1"' }, body },
    { id: '', remembered: remember },
  );
  assert.deepEqual(learnt, { id: '7', serverMs: 90_000, remember: { code: 'x', etag: '"1"' } });
});

test('weights come to about a hundred, and queues and streams are its own', () => {
  const operations = Object.values(linksDrill.operations);
  const sum = operations.reduce((all, { weight }) => all + weight, 0);
  assert(sum >= 80 && sum <= 120, `${sum}`);
  const queues = new Set(links.queues?.map(({ name }) => name));
  for (const { job } of operations) assert(job === undefined || queues.has(job), job);
  assert(links.streams?.some(({ name }) => name === linksDrill.events?.stream));
});

test('what is stale is as old as the options allow', () => {
  assert.deepEqual(linksDrill.staleMs?.({ cacheTtlMs: 500, staleMsMax: 7000 }), { well: 500, cut: 7000 });
});
