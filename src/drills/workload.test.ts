import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { seededRandom } from '#base/random';
import type { LoadAnswer, LoadRequest } from '#blocks/load';
import { createWorkload, drawKind, MIX_DEFAULT, type Planned } from './workload.ts';

function make(seed = 1) {
  const clock = createManualClock();
  const workload = createWorkload(
    { seed, run: 'run', mix: MIX_DEFAULT, rootKey: 'key' },
    { clock, random: seededRandom(seed) },
  );
  let ids = 0;
  const answer = (request: LoadRequest, status: number, body: object = {}): LoadAnswer => ({
    ...{
      request,
      intendedMs: 0,
      sentMs: 0,
      endedMs: 1,
      outcome: 'answered',
      lateMs: 0,
      isReused: true,
      status,
    },
    headers: { 'content-type': status < 400 ? 'application/json' : 'application/problem+json', etag: '"1"' },
    body: JSON.stringify(body),
  });
  return {
    clock,
    workload,
    refuse: (request: LoadRequest) =>
      workload.answered(answer(request, 503, { code: 'database_unavailable' })),
    create(request: LoadRequest) {
      ids += 1;
      workload.answered(answer(request, 201, { id: String(ids), code: `code${ids}` }));
    },
  };
}

/** The first requests of a workload whose creations all succeed. */
function requests(seed: number, count: number): LoadRequest[] {
  const { workload, create } = make(seed);
  return Array.from({ length: count }, () => {
    const request = workload.next();
    if ((request.tag as Planned).route === 'createLink') create(request);
    return request;
  });
}

test('the same seed gives the same requests, and another one others', () => {
  const plain = (seed: number) => requests(seed, 300).map(({ method, path, body }) => [method, path, body]);
  assert.deepEqual(plain(7), plain(7));
  assert.notDeepEqual(plain(7), plain(8));
});

test('a mix is drawn in its proportions', () => {
  const mix = { ...MIX_DEFAULT, create: 1, createShort: 0, change: 3 };
  const none = { changeIfMatch: 0, remove: 0, read: 0, redirect: 0, count: 0, enqueue: 0 };
  assert.equal(drawKind({ ...mix, ...none }, 0), 'create');
  assert.equal(drawKind({ ...mix, ...none }, 0.249), 'create');
  assert.equal(drawKind({ ...mix, ...none }, 0.25), 'change');
  assert.equal(drawKind({ ...mix, ...none }, 0.999), 'change');
});

test('every write has a value of its own', () => {
  const values = requests(3, 500).flatMap(({ tag }) => (tag as Planned).value ?? []);
  assert.equal(new Set(values).size, values.length);
});

test('a creation that failed is sent again under its key, once its time has come', () => {
  const { workload, clock, refuse, create } = make();
  const first = workload.create();
  refuse(first);
  const isAgain = (request: LoadRequest) =>
    request.headers['idempotency-key'] === first.headers['idempotency-key'];
  assert(!isAgain(workload.next()));
  clock.advance(1000);
  const again = workload.next();
  assert(isAgain(again));
  refuse(again);
  clock.advance(1000);
  assert(!isAgain(workload.next()), 'every other one is something new');
  assert.equal(again.body, first.body);
  assert(workload.takeUnsettled().some(isAgain));
  create(first);
  assert.deepEqual(workload.takeUnsettled(), []);
  assert.equal(workload.links[0]?.code, 'code1');
});

test('an expiring link is neither changed nor deleted, a deleted one no longer picked', () => {
  const seen = requests(5, 3000).map(({ tag }) => tag as Planned);
  const removed = new Set<string>();
  for (const { kind, link } of seen) {
    if (kind === 'create' || kind === 'createShort' || link === undefined) continue;
    assert.equal(link.ttlS, undefined);
    assert(!removed.has(link.key), `${kind} after the deletion`);
    if (kind === 'remove') removed.add(link.key);
  }
  assert(removed.size > 0);
});
