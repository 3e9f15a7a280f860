import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { seededRandom } from '#base/random';
import type { LoadAnswer, LoadRequest } from '#blocks/load';
import type { DrilledSystem } from './drilled-systems.ts';
import { drilled, system } from './load/attempt.fixture.ts';
import type { Planned } from './load/planned.ts';
import { createWorkload, drawOperation, type Weighted, weigh } from './workload.ts';

/** A second system: what it makes is told by another field. */
const other: DrilledSystem = {
  ...{ name: 'other', staleMs: undefined },
  drill: {
    operations: {
      add: {
        ...{ route: { id: 'add' }, effect: 'create', weight: 50 },
        request: (_, text) => ({ method: 'POST', path: '/v1/other', body: { text } }),
        learn: ({ body }) => ({ id: String(body.id) }),
      },
      work: {
        ...{ route: { id: 'work' }, effect: 'work', weight: 50, job: 'other_jobs' },
        request: () => ({ method: 'POST', path: '/v1/work' }),
      },
    },
  },
};

function make(seed = 1, systems: readonly DrilledSystem[] = drilled) {
  const clock = createManualClock();
  const workload = createWorkload(
    { seed, run: 'run', systems, emphasis: {}, rootKey: 'key' },
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
function requests(seed: number, count: number, systems = drilled): LoadRequest[] {
  const { workload, create } = make(seed, systems);
  return Array.from({ length: count }, () => {
    const request = workload.next();
    if ((request.tag as Planned).operation.effect === 'create') create(request);
    return request;
  });
}

test('the same seed gives the same requests, and another one others', () => {
  const plain = (seed: number) => requests(seed, 300).map(({ method, path, body }) => [method, path, body]);
  assert.deepEqual(plain(7), plain(7));
  assert.notDeepEqual(plain(7), plain(8));
});

test('operations are drawn in their proportions, whichever system has them', () => {
  const weighted = weigh([system, other], {});
  const [one, two, three] = weighted;
  assert(one && two && three);
  const some: Weighted[] = [
    { ...one, weight: 1 },
    { ...two, weight: 0 },
    { ...three, weight: 3 },
  ];
  assert.equal(drawOperation(some, 0).operation, one.operation);
  assert.equal(drawOperation(some, 0.249).operation, one.operation);
  assert.equal(drawOperation(some, 0.25).operation, three.operation);
  assert.equal(drawOperation(some, 0.999).operation, three.operation);
});

test('what a scenario needs more of weighs more, in every system', () => {
  const weights = (emphasis: object) =>
    Object.fromEntries(
      weigh([system, other], emphasis).map(({ operation, weight }) => [operation.route.id, weight]),
    );
  const plain = weights({});
  assert.equal(weights({ jobs: 3 }).work, 150);
  assert.equal(weights({ creations: 2 }).add, 100);
  assert.equal(weights({ staleReads: 2 }).followLink, (plain.followLink ?? 0) * 2);
  assert.equal(weights({ jobs: 3 }).getLink, plain.getLink);
});

test('two systems are loaded at once, each with its own items and requests', () => {
  const planned = requests(9, 600, [system, other]);
  const of = (name: string) => planned.filter(({ tag }) => (tag as Planned).system.name === name);
  assert(of('other').length > 200 && of(system.name).length > 200);
  for (const { tag, path, headers, body } of planned) {
    const { item, operation } = tag as Planned;
    if (item) assert.equal(item.system, (tag as Planned).system);
    assert.equal('idempotency-key' in headers, operation.effect === 'create');
    assert.equal('content-type' in headers, body !== undefined, path);
  }
  const jobs = of('other').filter(({ path }) => path === '/v1/work');
  assert(jobs.length > 50);
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
  assert.equal(workload.items[0]?.remembered.code, 'code1');
});

test('an expiring link is neither changed nor deleted, a deleted one no longer picked', () => {
  const seen = requests(5, 3000).map(({ tag }) => tag as Planned);
  const removed = new Set<string>();
  for (const { operation, item } of seen) {
    if (operation.effect === 'create' || item === undefined) continue;
    assert(!('isBrief' in item.by));
    assert(!removed.has(item.key), `${operation.route.id} after the deletion`);
    if (operation.effect === 'remove') removed.add(item.key);
  }
  assert(removed.size > 0);
});
