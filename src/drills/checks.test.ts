/**
 * Each check passes on what a sound server leaves behind, and fails when that is spoilt.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StoredJob } from '#blocks/queue';
import { describeAttempt, impossibleIn, nothingLeft, recovered, withinBudget } from './checks.ts';
import type { DrilledSystem } from './drilled-systems.ts';
import {
  countFound,
  effectsOnce,
  goesOn,
  invariantsHold,
  jobsOnce,
  nothingLost,
  projectionsEqual,
  strongReads,
} from './effects.ts';
import { orderedRoutes, refusedDuring, servedStale, staleFresh } from './freshness.ts';
import { makeAttempt, makeItem, makePlanned, operationOf, system } from './load/attempt.fixture.ts';
import type { Evidence, Seen } from './scenario.ts';

const link = makeItem({ ids: new Set(['11']) });
const short = makeItem({
  ...{ key: 'item-2', ids: new Set(['12']), value: 'https://example.com/b' },
  by: operationOf('createShort'),
});
const create = makePlanned('create', link, link.value);
const change = makePlanned('change', link, 'https://example.com/c');
const read = makePlanned('read', link);
const redirect = makePlanned('follow', link);
const times = (ms: number) => ({ intendedMs: ms, sentMs: ms, endedMs: ms + 10 });

const ATTEMPTS = [
  makeAttempt({ planned: create, ...times(0), status: 201 }),
  makeAttempt({ planned: makePlanned('createShort', short, short.value), ...times(20), status: 201 }),
  makeAttempt({ planned: change, ...times(100) }),
  makeAttempt({ planned: read, ...times(200), found: 'https://example.com/c' }),
  makeAttempt({ planned: redirect, ...times(300), found: 'https://example.com/c', status: 302 }),
];

const FOUND: Seen = {
  system,
  listed: new Map([
    ['11', 'https://example.com/c'],
    ['12', 'https://example.com/b'],
  ]),
  before: new Map(),
  kept: new Map(),
  unreadable: [],
  figures: { live: 1, expired: 1 },
  events: new Map([
    ['11', ['link.created', 'link.changed']],
    ['12', ['link.created', 'link.expired']],
  ]),
};

/** Two links, one of which has been changed and one has expired. */
function sound(own: Partial<Evidence> = {}): Evidence {
  return {
    items: [link, short],
    attempts: ATTEMPTS,
    loaded: ATTEMPTS,
    zeroMs: 0,
    durationMs: 10_000,
    windows: [],
    isOwn: true,
    seen: new Map([[system.name, FOUND]]),
    jobs: new Map([['links_expiry', new Map([['done', 1]])]]),
    verifications: [],
    notes: new Map(),
    leftovers: [],
    ...own,
  };
}

const seeing = (own: Partial<Seen>, more: Partial<Evidence> = {}) =>
  sound({ ...more, seen: new Map([[system.name, { ...FOUND, ...own }]]) });
const withEvents = (id: string, types: string[]) =>
  seeing({ events: new Map([...FOUND.events, [id, types]]) });
const strong = orderedRoutes([system], false);
const whole = (evidence: Evidence) => countFound(evidence).get(system.name);

describe('what was acknowledged', () => {
  test('is found', () => {
    assert.deepEqual(whole(sound()), { acknowledged: 3, found: 3, lost: [] });
    assert(nothingLost(sound()).passed);
    assert(effectsOnce(sound()).passed);
    assert(jobsOnce(sound()).passed);
    assert(projectionsEqual(sound()).passed);
    assert(invariantsHold(sound()).every(({ passed }) => passed));
    assert(strongReads(sound(), strong).passed);
  });

  test('is lost without its row, or without its event', () => {
    const withoutRow = seeing({ listed: new Map([['12', 'https://example.com/b']]) });
    assert.match(nothingLost(withoutRow).detail, /3 writes acknowledged, 2 found.*\nitem-1 .*creation/);
    assert(!nothingLost(withoutRow).passed);
    assert(!nothingLost(withEvents('11', ['link.created'])).passed);
    assert(!nothingLost(seeing({ unreadable: ['link 11'] })).passed);
  });

  test('has no effect twice', () => {
    assert(!effectsOnce(withEvents('12', ['link.created', 'link.expired', 'link.expired'])).passed);
    assert(!effectsOnce(withEvents('11', ['link.created', 'link.created', 'link.changed'])).passed);
    assert(!effectsOnce(withEvents('99', ['link.created'])).passed, 'a link that nobody was told of');
    const twice = makeItem({ ids: new Set(['11', '13']) });
    assert.match(effectsOnce(sound({ items: [twice, short] })).detail, /made 2 items: 11, 13/);
  });

  test('a change of unknown outcome may be there or not', () => {
    const planned = makePlanned('change', link, 'https://example.com/d');
    const open = makeAttempt({ planned, ...times(400), outcome: 'unknown', isFailure: true });
    const attempts = [...ATTEMPTS, open];
    assert(effectsOnce({ ...sound(), attempts }).passed);
    assert(
      effectsOnce({ ...withEvents('11', ['link.created', 'link.changed', 'link.changed']), attempts }).passed,
    );
  });

  test('a job that has not run, or is dead, is seen', () => {
    assert(!jobsOnce(sound({ jobs: new Map() })).passed);
    assert(!jobsOnce(sound({ jobs: new Map([['links_expiry', new Map([['dead', 1]])]]) })).passed);
    const early = (states: [StoredJob['state'], number][]) => new Map([['links_expiry', new Map(states)]]);
    assert(
      jobsOnce(
        sound({
          jobs: early([
            ['done', 1],
            ['replaced', 1],
          ]),
        }),
      ).passed,
      'run early, and again',
    );
    assert(!jobsOnce(sound({ jobs: early([['replaced', 1]]) })).passed, 'run early alone');
  });

  test('counts that do not add up are seen', () => {
    assert(!invariantsHold(seeing({ figures: { live: 2, expired: 1 } }))[0]?.passed);
  });

  test('an old value read after a newer one was acknowledged is no register', () => {
    const stale = makeAttempt({ planned: read, ...times(500), found: link.value });
    assert(!strongReads(sound({ attempts: [...ATTEMPTS, stale] }), strong).passed);
  });
});

describe('the load', () => {
  const failure = makeAttempt({
    planned: read,
    ...times(5000),
    isFailure: true,
    outcome: 'refused',
    status: 503,
  });
  const window = { fromMs: 4500, healedMs: 5500, recoveredMs: 300, endMs: 5800, failed: 1, requests: 4 };
  const bounds = { failedShareMax: 0.3, recoverMsMax: 1000 };

  test('may fail within its budget while something is broken, and never otherwise', () => {
    const well = [4600, 4700, 5300].map((ms) => makeAttempt({ planned: read, ...times(ms) }));
    const loaded = [...ATTEMPTS, ...well, failure];
    assert(withinBudget(bounds, sound({ loaded, windows: [window] })).passed);
    assert(!withinBudget({ ...bounds, failedShareMax: 0.2 }, sound({ loaded, windows: [window] })).passed);
    assert.match(
      withinBudget(bounds, sound({ loaded })).detail,
      /outside: getLink at 5\.00 s: 503 \(refused\)/,
    );
  });

  test('is counted once, however many faults a request was under way in', () => {
    const windows = [
      window,
      { ...window, fromMs: 4800, endMs: 5600 },
      { ...window, fromMs: 4000, endMs: 9000 },
    ];
    const check = withinBudget(bounds, sound({ loaded: [failure], windows }));
    assert.match(check.detail, /^1 of 1 requests failed from fault to recovery \(100\.0 %\), 0 of 0 outside/);
    assert(!check.isImpossible);
  });

  test('what was never sent since the generator was late is on neither side', () => {
    const unsent = makeAttempt({
      ...times(8000),
      sentMs: undefined,
      fate: 'generator_late',
      outcome: 'refused',
    });
    const { passed, detail } = withinBudget(bounds, sound({ loaded: [...ATTEMPTS, unsent] }));
    assert(passed);
    assert.match(detail, /0 of 5 outside/);
    assert.match(describeAttempt(unsent, 0), /^getLink at 8\.00 s: not sent \(generator late\)$/);
    const waited = { ...unsent, fate: 'not_sent', isFailure: true } as const;
    assert(!withinBudget(bounds, sound({ loaded: [waited] })).passed);
    assert.match(describeAttempt(waited, 0), /not sent \(no connection was free\)$/);
    assert.match(
      describeAttempt({ ...waited, fate: 'no_answer', outcome: 'unknown' }, 0),
      /no answer \(unknown\)$/,
    );
  });

  test('a failure is one of time when it may come of waiting, and no other', () => {
    const check = (own: object) => withinBudget(bounds, sound({ loaded: [{ ...failure, ...own }] }));
    for (const status of [undefined, 429, 503, 504])
      assert.equal(check({ status }).isTimed, true, `${status}`);
    for (const status of [500, 502]) assert.equal(check({ status }).isTimed, undefined, `${status}`);
    assert.equal(recovered(bounds, sound()).isTimed, true);
    for (const check of [nothingLost, effectsOnce, jobsOnce, projectionsEqual, nothingLeft]) {
      assert.equal(check(sound()).isTimed, undefined, check.name);
    }
  });

  test('figures that cannot be make a check an error of the drill', () => {
    assert.deepEqual(impossibleIn({ whole: 3, part: 3 }, [['part', 'whole']]), []);
    assert.deepEqual(impossibleIn({ outside: -346, whole: Number.NaN, part: 1.5 }), [
      'outside: -346',
      'whole: NaN',
      'part: 1.5',
    ]);
    assert.deepEqual(impossibleIn({ found: 4, acknowledged: 3 }, [['found', 'acknowledged']]), [
      'found: 4, of 3 acknowledged',
    ]);
    const wrong = [
      ...invariantsHold(seeing({ figures: { live: -1, expired: 3 } })),
      jobsOnce(sound({ jobs: new Map([['links_expiry', new Map([['done', -1]])]]) })),
      recovered(bounds, sound({ windows: [{ ...window, healedMs: 4000 }] })),
    ];
    for (const { passed, isImpossible, detail } of wrong) {
      assert.deepEqual([passed, isImpossible], [false, true]);
      assert.match(detail, /the drill has counted what cannot be/);
    }
  });

  test('is well again in time', () => {
    assert(recovered(bounds, sound({ windows: [window] })).passed);
    assert(!recovered({ ...bounds, recoverMsMax: 200 }, sound({ windows: [window] })).passed);
    assert(!recovered(bounds, sound({ windows: [{ ...window, recoveredMs: undefined }] })).passed);
  });

  test('a process left over is named', () => {
    assert(nothingLeft(sound()).passed);
    assert.match(nothingLeft(sound({ leftovers: ['pid 7 (postgres)'] })).detail, /pid 7/);
  });

  test('an installation that was there before goes on as it was, and keeps its links', () => {
    const before = new Map([['3', 'https://example.com/old']]);
    const of = { before, kept: before, figures: { live: 2, expired: 1 } };
    const there = seeing(of, { isOwn: false });
    assert.deepEqual(
      [...goesOn(there), ...invariantsHold(there), effectsOnce(there)].map(({ passed }) => passed),
      [true, true, true, true],
    );
    const leftovers = ['1 of 2 processes serve'];
    const [server, kept] = goesOn(seeing({ ...of, kept: new Map() }, { leftovers }));
    assert.match(server?.detail ?? '', /1 of 2 processes/);
    assert.match(kept?.detail ?? '', /3 of links held .*old, and holds nothing/);
  });
});

/** It keeps no log, answers nothing that is stale, and leaves a job with each of its `work`. */
const plain: DrilledSystem = {
  ...{ name: 'plain', staleMs: undefined },
  drill: {
    operations: {
      create: { ...{ route: { id: 'add' }, effect: 'create', weight: 1 }, request: () => assert.fail() },
      remove: { ...{ route: { id: 'drop' }, effect: 'remove', weight: 1 }, request: () => assert.fail() },
      work: {
        ...{ route: { id: 'work' }, effect: 'work', weight: 1, job: 'plain_jobs' },
        request: () => assert.fail(),
      },
    },
    readBack: { route: { id: 'list', consistency: 'session' }, list: () => assert.fail() },
  },
};

describe('a second system, which keeps no log', () => {
  const at = (name: string) => operationOf(name, plain);
  const [one, two] = ['21', '22'].map((id) =>
    makeItem({ system: plain, key: `plain-${id}`, by: at('create'), ids: new Set([id]), value: id }),
  );
  const attempts = [
    ...ATTEMPTS,
    makeAttempt({ planned: makePlanned('create', one, '21'), ...times(400), status: 201 }),
    makeAttempt({ planned: makePlanned('create', two, '22'), ...times(420), status: 201 }),
    makeAttempt({ planned: makePlanned('remove', two), ...times(440), status: 204 }),
    makeAttempt({ planned: { system: plain, operation: at('work'), item: undefined, value: undefined } }),
  ];
  const seen: Seen = {
    ...FOUND,
    system: plain,
    listed: new Map([['21', '21']]),
    figures: {},
    events: new Map(),
  };
  const jobs = (done: number) =>
    new Map([...sound().jobs, ['plain_jobs', new Map([['done' as const, done]])]]);
  const both = (own: Partial<Seen> = {}, done = 1) =>
    sound({
      ...{ items: [link, short, one, two].filter((item) => item !== undefined), attempts, jobs: jobs(done) },
      seen: new Map([...sound().seen, [plain.name, { ...seen, ...own }]]),
    });

  test('is found beside the first, and told of by its name', () => {
    const { passed, detail } = nothingLost(both());
    assert.equal(passed, true, detail);
    assert.match(detail, /^links: 3 writes .* rows and log; plain: 3 writes acknowledged, 3 found in rows$/);
    assert.deepEqual(
      [effectsOnce(both()), jobsOnce(both()), ...invariantsHold(both())].map((check) => check.passed),
      [true, true, true],
    );
    assert.deepEqual(
      [...orderedRoutes([plain], false)].sort(),
      ['add', 'drop', 'list'],
      'what says nothing is strong',
    );
    assert.deepEqual([...orderedRoutes([plain], true)].sort(), ['add', 'drop']);
  });

  test('has its own losses, ghosts and jobs', () => {
    assert.match(nothingLost(both({ listed: new Map() })).detail, /plain-21 .*creation/);
    const undeleted = new Map([
      ['21', '21'],
      ['22', '22'],
    ]);
    assert.match(nothingLost(both({ listed: undeleted })).detail, /plain-22 .*deletion/);
    const ghost = new Map([
      ['21', '21'],
      ['29', '29'],
    ]);
    assert.match(effectsOnce(both({ listed: ghost })).detail, /of plain that no answer has told of: id 29/);
    for (const done of [0, 2]) assert.match(jobsOnce(both({}, done)).detail, /plain_jobs: expected 1 done/);
  });
});

describe('what routes declare', () => {
  const cut = { fromMs: 1000, untilMs: 2000 };
  const refusal = (own: object) =>
    makeAttempt({
      planned: read,
      ...times(1500),
      ...{ outcome: 'refused', isFailure: true, status: 503, code: 'database_unavailable' },
      ...{ isProblem: true, retryAfter: '1' },
      ...own,
    });
  const loadedWith = (...more: ReturnType<typeof makeAttempt>[]) => sound({ loaded: [...ATTEMPTS, ...more] });

  test('`refuse` is a coded refusal that says when to try again', () => {
    assert(refusedDuring(cut, loadedWith(refusal({}))).passed);
    assert(!refusedDuring(cut, loadedWith()).passed, 'nothing was asked');
    for (const wrong of [
      { status: 200 },
      { status: undefined },
      { isProblem: false },
      { retryAfter: undefined },
    ]) {
      assert(!refusedDuring(cut, loadedWith(refusal(wrong))).passed, JSON.stringify(wrong));
    }
  });

  test('redirects that were kept go on', () => {
    const followed = makeAttempt({ planned: redirect, ...times(1500), found: 'https://example.com/c' });
    assert(servedStale(cut, loadedWith(followed)).passed);
    const refused = { ...followed, found: undefined, outcome: 'refused' as const };
    assert(!servedStale(cut, loadedWith(refused)).passed);
    const changed = makeAttempt({ planned: change, ...times(1400), outcome: 'unknown' });
    assert.match(
      servedStale(cut, loadedWith(refused, changed)).detail,
      /nothing that was kept was asked for/,
    );
  });

  test('a redirect may be as old as its age, and no older', () => {
    const old = makeAttempt({ planned: redirect, ...times(5000), found: link.value });
    const evidence = sound({ attempts: [...ATTEMPTS, old] });
    assert(staleFresh(evidence, () => 6000).passed);
    const tooOld = staleFresh(evidence, () => 1000);
    assert.deepEqual([tooOld.passed, tooOld.isTimed], [false, true]);
    const invented = makeAttempt({ planned: redirect, ...times(600), found: 'https://example.com/x' });
    assert.match(staleFresh(sound({ attempts: [...ATTEMPTS, invented] }), () => 6000).detail, /nobody wrote/);
    const gone = makeAttempt({ planned: redirect, ...times(600), found: undefined });
    const lost = staleFresh(sound({ attempts: [...ATTEMPTS, gone, old] }), () => 1000);
    assert.deepEqual([lost.passed, lost.isTimed], [false, undefined], 'never excused');
  });
});
