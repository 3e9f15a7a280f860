/**
 * Each check passes on what a sound server leaves behind, and fails when that is spoilt.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StoredJob } from '#blocks/queue';
import { makeAttempt, makeLink, makePlanned } from './attempt.fixture.ts';
import { NOTHING_BEFORE } from './before.ts';
import {
  countFound,
  describeAttempt,
  effectsOnce,
  goesOn,
  impossibleIn,
  jobsOnce,
  nothingLeft,
  nothingLost,
  projectionsEqual,
  recovered,
  strongReads,
  withinBudget,
} from './checks.ts';
import { orderedRoutes, redirectsFresh, refusedDuring, servedStale } from './declared.ts';
import type { Evidence } from './scenario.ts';

const link = makeLink({ ids: new Set(['11']) });
const short = makeLink({ key: 'link-2', ids: new Set(['12']), ttlS: 1, url: 'https://example.com/b' });
const create = makePlanned('create', link, link.url);
const change = makePlanned('change', link, 'https://example.com/c');
const read = makePlanned('read', link);
const redirect = makePlanned('redirect', link);
const times = (ms: number) => ({ intendedMs: ms, sentMs: ms, endedMs: ms + 10 });

const ATTEMPTS = [
  makeAttempt({ planned: create, ...times(0), status: 201 }),
  makeAttempt({ planned: makePlanned('createShort', short, short.url), ...times(20), status: 201 }),
  makeAttempt({ planned: change, ...times(100) }),
  makeAttempt({ planned: read, ...times(200), found: 'https://example.com/c' }),
  makeAttempt({ planned: redirect, ...times(300), found: 'https://example.com/c', status: 302 }),
];

/** Two links, one of which has been changed and one has expired. */
function sound(own: Partial<Evidence> = {}): Evidence {
  return {
    links: [link, short],
    attempts: ATTEMPTS,
    loaded: ATTEMPTS,
    zeroMs: 0,
    durationMs: 10_000,
    windows: [],
    before: NOTHING_BEFORE,
    kept: new Map(),
    listed: new Map([
      ['11', 'https://example.com/c'],
      ['12', 'https://example.com/b'],
    ]),
    unreadable: [],
    counts: { live: 1, expired: 1 },
    events: new Map([
      ['11', ['link.created', 'link.changed']],
      ['12', ['link.created', 'link.expired']],
    ]),
    jobs: new Map([['links_expiry', new Map([['done', 1]])]]),
    verifications: [],
    notes: new Map(),
    leftovers: [],
    ...own,
  };
}

const withEvents = (id: string, types: string[]) =>
  sound({ events: new Map([...sound().events, [id, types]]) });
const strong = orderedRoutes(false);

describe('what was acknowledged', () => {
  test('is found', () => {
    const { acknowledged, found } = countFound(sound());
    assert.deepEqual([acknowledged, found], [3, 3]);
    assert(nothingLost(sound()).passed);
    assert(effectsOnce(sound()).passed);
    assert(jobsOnce(sound()).passed);
    assert(projectionsEqual(sound()).passed);
    assert(strongReads(sound(), strong).passed);
  });

  test('is lost without its row, or without its event', () => {
    const withoutRow = sound({ listed: new Map([['12', 'https://example.com/b']]) });
    assert.match(nothingLost(withoutRow).detail, /3 writes acknowledged, 2 found.*\nlink-1 .*creation/);
    assert(!nothingLost(withoutRow).passed);
    assert(!nothingLost(withEvents('11', ['link.created'])).passed);
    assert(!nothingLost(sound({ unreadable: ['link 11'] })).passed);
  });

  test('has no effect twice', () => {
    assert(!effectsOnce(withEvents('12', ['link.created', 'link.expired', 'link.expired'])).passed);
    assert(!effectsOnce(withEvents('11', ['link.created', 'link.created', 'link.changed'])).passed);
    assert(!effectsOnce(withEvents('99', ['link.created'])).passed, 'a link that nobody was told of');
    const twice = makeLink({ ids: new Set(['11', '13']) });
    assert.match(effectsOnce(sound({ links: [twice, short] })).detail, /made 2 links: 11, 13/);
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
    assert(!projectionsEqual(sound({ counts: { live: 2, expired: 1 } })).passed);
  });

  test('an old value read after a newer one was acknowledged is no register', () => {
    const stale = makeAttempt({ planned: read, ...times(500), found: link.url });
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
      projectionsEqual(sound({ counts: { live: -1, expired: 3 } })),
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
    const links = new Map([['3', 'https://example.com/old']]);
    const before = { links, ids: new Set(['3']), jobs: new Set<string>() };
    const there = sound({ before, kept: links, counts: { live: 2, expired: 1 } });
    assert.deepEqual(
      [...goesOn(there), projectionsEqual(there), effectsOnce(there)].map(({ passed }) => passed),
      [true, true, true, true],
    );
    const [server, kept] = goesOn({ ...there, kept: new Map(), leftovers: ['1 of 2 processes serve'] });
    assert.match(server?.detail ?? '', /1 of 2 processes/);
    assert.match(kept?.detail ?? '', /link 3 led to .*old, and leads to nothing/);
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
    assert.match(servedStale(cut, loadedWith(refused, changed)).detail, /no link was followed/);
  });

  test('a redirect may be as old as its age, and no older', () => {
    const old = makeAttempt({ planned: redirect, ...times(5000), found: link.url });
    const evidence = sound({ attempts: [...ATTEMPTS, old] });
    assert(redirectsFresh(evidence, () => 6000).passed);
    const tooOld = redirectsFresh(evidence, () => 1000);
    assert.deepEqual([tooOld.passed, tooOld.isTimed], [false, true]);
    const invented = makeAttempt({ planned: redirect, ...times(600), found: 'https://example.com/x' });
    assert.match(
      redirectsFresh(sound({ attempts: [...ATTEMPTS, invented] }), () => 6000).detail,
      /nobody wrote/,
    );
    const gone = makeAttempt({ planned: redirect, ...times(600), found: undefined });
    const lost = redirectsFresh(sound({ attempts: [...ATTEMPTS, gone, old] }), () => 1000);
    assert.deepEqual([lost.passed, lost.isTimed], [false, undefined], 'never excused');
  });
});
