import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { demandsOf, mixLatency } from './demand.ts';
import { availabilityOf } from './limits.ts';
import { anyWorkload, calibration, models, workloadOf } from './plan.fixture.ts';
import { type Plan, planFor } from './plan.ts';
import { renderPlan } from './render.ts';
import { formatAmount, formatHumane } from './units.ts';

const planOf = (raw: unknown) => planFor(workloadOf(raw), { calibration, models });

/** Exact and rounded, as they are printed. */
function shown({ systems, figures }: Plan, name: string): [string, string, string] {
  const figure = [...systems.flatMap((system) => system.figures), ...figures].find(
    (each) => each.name === name,
  );
  assert(figure, `no figure ${name}`);
  const { value, unit, how } = figure;
  return [formatAmount(value, unit), formatHumane(value, unit), how];
}

test('100 M users read 5 posts a day, and write half a post of 500 KB', () => {
  const plan = planOf({
    users: { daily: 100_000_000 },
    peakFactor: 3,
    custom: {
      posts: { read: { perUserPerDay: 5 }, write: { perUserPerDay: 0.5, objectBytes: '500 KB' } },
    },
  });
  assert.deepEqual(shown(plan, 'reads, average'), [
    '5,787.04/s',
    '≈ 5,800/s',
    '100,000,000 × 5 ÷ 86,400 = 5,787.04/s',
  ]);
  assert.deepEqual(shown(plan, 'reads, peak'), ['17,361.11/s', '≈ 17,400/s', '5,787.04 × 3 = 17,361.11/s']);
  assert.equal(shown(plan, 'writes, average')[1], '≈ 580/s');
  assert.equal(shown(plan, 'objects, a day')[0], '25 TB/day');
  assert.deepEqual(shown(plan, 'objects, after a year').slice(0, 2), ['9.125 PB', '≈ 9 PB']);
});

test('1 M users with 20 actions a day need one server and a standby, and nothing more', () => {
  const plan = planOf({
    users: { daily: 1_000_000 },
    peakFactor: 10,
    systems: { shop: { look: { perUserPerDay: 19.5, cacheHitPercent: 90 }, buy: { perUserPerDay: 0.5 } } },
  });
  assert.equal(
    Math.round(plan.systems[0]?.figures.find(({ name }) => name === 'actions, average')?.value ?? 0),
    231,
  );
  assert.deepEqual(shown(plan, 'actions, peak').slice(0, 2), ['2,314.81/s', '≈ 2,300/s']);
  assert.deepEqual(
    plan.steps.map(({ name }) => name),
    ['standby'],
  );
  assert.deepEqual(plan.configuration, {
    systems: ['shop'],
    shop: { cacheEntriesMax: 3_900_000 },
  });
});

test('so do 1 M users of a system that nothing is known of, on two processes', () => {
  const plan = planOf({
    users: { daily: 1_000_000 },
    peakFactor: 10,
    custom: { app: { actionsPerUserPerDay: 20, readsPerWrite: 19 } },
  });
  assert.equal(shown(plan, 'actions, peak')[1], '≈ 2,300/s');
  assert.deepEqual(plan.configuration, { processes: 2 });
});

test('500,000 files of 200 KB a day', () => {
  const plan = planOf({
    users: { daily: 500_000 },
    custom: { files: { write: { perUserPerDay: 1, objectBytes: '200 KB' } } },
  });
  assert.equal(shown(plan, 'objects, a day')[0], '100 GB/day');
  assert.deepEqual(shown(plan, 'objects, after a year').slice(0, 2), ['36.5 TB', '≈ 36 TB']);
});

test('hits of 0.25 ms at 90 % and misses of 10 ms are 1.225 ms on average', () => {
  const { value, how } = mixLatency('mean', 0.9, { hitMs: 0.25, missMs: 10 });
  assert.equal(value, 1.225);
  assert.equal(how, '0.9 × 0.25 + 0.1 × 10 = 1.225 ms');
});

test('availability: a standby in parallel, what it depends on in series', () => {
  const custom = { app: { read: { perUserPerDay: 1 } } };
  const availability = { targetPercent: 99, serverPercent: 99.9, dependsOnPercents: [99.9] };
  const series = planOf({ users: { daily: 1 }, availability, custom });
  assert.deepEqual(shown(series, 'availability').slice(0, 2), ['99.8001 %', '≈ 99.8 %']);
  const wanted = { serverPercent: 99.9, targetPercent: 99.99 };
  const parallel = planOf({ users: { daily: 1 }, availability: wanted, custom });
  assert.equal(shown(parallel, 'availability')[0], '99.9999 %');
  const never = planOf({
    users: { daily: 1 },
    availability: { ...wanted, dependsOnPercents: [99.9] },
    custom,
  });
  assert.equal(never.topology, undefined);
  assert.match(never.unmet.join(), /wanted are 99\.99 %/);
  assert.match(
    renderPlan(never, { explain: false }),
    /no topology of such servers holds:\n {2}.* wanted are 99\.99 %/,
  );
});

test('availability: a standby on the machine of its primary is not counted, and no written configuration has one', () => {
  const custom = { app: { write: { perUserPerDay: 20 } } };
  const plan = planOf({ users: { daily: 10_000 }, availability: { targetPercent: 99.9 }, custom });
  assert.equal(plan.topology?.standbys, 1);
  assert.equal('database' in (plan.configuration ?? {}), false);
  assert.match(
    plan.notes.join('\n'),
    /An embedded standby .* is on the machine of its primary: .* is not counted/,
  );
  assert.match(
    plan.limits.map(({ text }) => text).join('\n'),
    /2 servers any of which will do are there 99\.9975 %/,
  );
});

test('availability: API servers and database servers are all needed, and one of each is two that may fail', () => {
  const wanted = { targetPercent: 99, serverPercent: 99.4 };
  const circumstances = {
    availability: wanted,
    users: { daily: 1 },
    custom: { app: { read: { perUserPerDay: 1 } } },
  };
  const workload = workloadOf(circumstances);
  assert.equal(availabilityOf(workload, { servers: 0, standbys: 0 }).toFixed(6), '0.994000');
  assert.equal(availabilityOf(workload, { servers: 1, standbys: 0 }).toFixed(6), '0.988036');
  assert.equal(availabilityOf(workload, { servers: 2, standbys: 0 }).toFixed(6), '0.993964');
  assert.equal(availabilityOf(workload, { servers: 2, standbys: 1 }).toFixed(6), '0.999928');
  const big = planOf({
    users: { daily: 100_000_000 },
    availability: wanted,
    custom: { posts: { read: { perUserPerDay: 3, cacheHitPercent: 0, consistency: 'session' } } },
  });
  assert((big.topology?.servers ?? 0) >= 2, JSON.stringify(big.topology));
  const how = big.figures.find(({ name }) => name === 'availability')?.how ?? '';
  assert.match(how, /^99\.4 % × \(1 − \(1 − 99\.4 %\)/);
});

test('ten times the users make ten times the rates', () => {
  fc.assert(
    fc.property(anyWorkload, (workload) => {
      const more = { ...workload, users: { ...workload.users, daily: workload.users.daily * 10 } };
      const ratesOf = (of: typeof workload) =>
        demandsOf(of, models).flatMap(({ figures }) =>
          figures.filter(({ unit }) => unit === '/s' || unit === 'B/day'),
        );
      const [once, tenfold] = [ratesOf(workload), ratesOf(more)];
      assert.equal(once.length, tenfold.length);
      for (const [at, { name, value }] of once.entries()) {
        assert(Math.abs((tenfold[at]?.value ?? 0) - 10 * value) <= 1e-9 * value, name);
      }
    }),
  );
});

test('storage follows growth and retention', () => {
  const write = { perUserPerDay: 1, objectBytes: 100 };
  const after = (years: 'a year' | 'five years', more: object, growth = 0) =>
    planOf({
      users: { daily: 1000, growthPercentPerYear: growth },
      custom: { files: { write, ...more } },
    }).systems[0]?.figures.find(({ name }) => name === `objects, after ${years}`)?.value ?? 0;
  assert.equal(after('five years', {}), 5 * after('a year', {}));
  assert.equal(after('five years', { retentionDays: 30 }), 30 * 1000 * 100);
  assert(
    after('a year', {}, 100) > 1.4 * after('a year', {}) &&
      after('a year', {}, 100) < 1.5 * after('a year', {}),
  );
});

test('what breaks first is the limit that is passed when so many more come, and not before', () => {
  const raw = {
    users: { daily: 1_000_000 },
    custom: { app: { actionsPerUserPerDay: 20, readsPerWrite: 19 } },
  };
  const { breaksFirst, atTenTimes } = planOf(raw);
  assert(breaksFirst && breaksFirst.factor > 1);
  assert.match(breaksFirst.limit, /^the server at 60/);
  assert.match(atTenTimes.passed[0] ?? '', /^the server at \d+ %/);
  assert.deepEqual(atTenTimes.topology[0], 'one server');
});

test('the words: capacity, figures, steps with reasons, and with explain the arithmetic and the nines', () => {
  const plan = planOf({ users: { daily: 1_000_000 }, custom: { app: { write: { perUserPerDay: 20 } } } });
  const short = renderPlan(plan, { explain: false });
  assert.match(short, /^capacity: measured on /);
  assert.match(short, /writes, average +231\/s +≈ 230\/s/);
  assert.match(
    short,
    /\+ 1 standby of each database, on a machine of its own\n +without it: one database server alone and \d API servers? .* there 99\.\d+ % of the time; wanted are 99\.9 %/,
  );
  assert.doesNotMatch(short, /÷/);
  const long = renderPlan(plan, { explain: true });
  assert.match(long, /1,000,000 × 20 ÷ 86,400 = 231\.48\/s/);
  assert.match(long, /99\.9 % +8 h 45 min 36 s +43 min 48 s/);
});
