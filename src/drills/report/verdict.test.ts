/**
 * What a drill concludes: a busy machine excuses what came late, and nothing else.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { MachineReport } from '#blocks/load';
import { describeMachine, disturbancesOf } from '../disturbances.ts';
import { makeAttempt } from '../load/attempt.fixture.ts';
import { renderHtml } from './html.ts';
import { makeResult, QUIET_MACHINE } from './report.fixture.ts';
import { formatResult } from './report.ts';
import { type Check, type Disturbance, verdictOf } from './result.ts';

const check = (own: Partial<Check> = {}): Check => ({ claim: 'it is', passed: true, detail: '', ...own });
const late = check({ passed: false, isTimed: true });
const lost = check({ passed: false });
const impossible = check({ passed: false, isImpossible: true });
const busy: Disturbance = { text: 'others had all of it', isBlinding: false };
const blinding: Disturbance = { text: 'nothing was sent', isBlinding: true };

describe('the verdict', () => {
  const of = (checks: Check[], disturbances: Disturbance[] = []) => verdictOf({ checks, disturbances });

  test('excuses what is late on a busy machine, and only there', () => {
    assert.equal(of([check()]), 'passed');
    assert.equal(of([check()], [busy]), 'passed');
    assert.equal(of([check(), late]), 'failed');
    assert.equal(of([check(), late], [busy]), 'busy');
    assert.equal(of([]), 'failed');
    assert.equal(of([], [busy]), 'failed');
  });

  test('lets nothing pass that was hardly tried', () => {
    assert.equal(of([check()], [blinding]), 'busy');
    assert.equal(of([lost], [blinding]), 'failed');
  });

  test('of figures that cannot be is none, unless something else is wrong', () => {
    assert.equal(of([check(), impossible]), 'invalid');
    assert.equal(of([late, impossible], [busy]), 'invalid');
    assert.equal(of([lost, impossible], [busy]), 'failed');
  });

  test('never excuses what is lost, and never passes what has failed', () => {
    const any = fc.record({
      ...{ claim: fc.constant('x'), detail: fc.constant(''), passed: fc.boolean() },
      isTimed: fc.constantFrom(undefined, true as const),
      isImpossible: fc.constantFrom(undefined, true as const),
    });
    const disturbances = fc.array(fc.constantFrom(busy, blinding), { maxLength: 2 });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 6 }), disturbances, (drawn, disturbed) => {
        const checks = drawn as Check[];
        const verdict = verdictOf({ checks, disturbances: disturbed });
        const failed = checks.filter(({ passed }) => !passed);
        if (failed.some(({ isTimed, isImpossible }) => !isTimed && !isImpossible))
          assert.equal(verdict, 'failed');
        if (failed.length > 0) assert.notEqual(verdict, 'passed');
        if (verdict === 'busy') assert(disturbed.length > 0);
      }),
    );
  });
});

describe('a machine', () => {
  const texts = (own: Partial<MachineReport>, loaded = [makeAttempt()]) =>
    disturbancesOf({ ...QUIET_MACHINE, ...own }, loaded).map(({ text }) => text);

  test('on which little else goes on is good enough', () => {
    assert.deepEqual(texts({}), []);
    assert.deepEqual(texts({ ownShare: 0.99, worstShare: 0.35, lateMaxMs: 400 }), [], 'the drill itself');
  });

  test('is not when others, its host or a late generator have disturbed the drill', () => {
    assert.match(texts({ foreignShare: 0.48 })[0] ?? '', /^other processes had 48 % of its cores/);
    assert.match(texts({ worstShare: 0.9 })[0] ?? '', /90 % at worst/);
    assert.match(texts({ stealShare: 0.08 })[0] ?? '', /^its host took 8 %/);
    assert.match(texts({ lateP99Ms: 150 })[0] ?? '', /woken 150 ms late/);
    assert.match(texts({ lateMaxMs: 2500 })[0] ?? '', /2\.5 s at worst/);
    const unsent = makeAttempt({ fate: 'generator_late', sentMs: undefined });
    assert.match(
      texts({}, [makeAttempt(), unsent])[0] ?? '',
      /^1 of 2 requests were not sent \(generator late\)/,
    );
  });

  test('that kept most of the load from being sent blinds the drill', () => {
    const unsent = makeAttempt({ fate: 'generator_late', sentMs: undefined });
    const sent = Array.from({ length: 50 }, () => makeAttempt());
    const blinds = (loaded: ReturnType<typeof makeAttempt>[]) =>
      disturbancesOf(QUIET_MACHINE, loaded).some(({ isBlinding }) => isBlinding);
    assert(!blinds([...sent, unsent]));
    assert(blinds([...sent, unsent, unsent, unsent]));
  });

  test('is described in one line', () => {
    assert.equal(
      describeMachine(QUIET_MACHINE),
      '4 cores: the drill had 30 %, others 1 %, the host took 0 %, both 4 % at worst; generator woken 3 ms late (p99), 21 ms at worst',
    );
  });
});

test('a result without a verdict says so, on the terminal and on the page', () => {
  const result = makeResult({ checks: [check(), { ...late, detail: '41 s' }], disturbances: [busy] });
  const text = formatResult(result);
  assert.match(text, /^\? primary-lost/);
  assert.match(text, / machine too busy: .*\n {2}machine: others had all of it\n/);
  assert.match(text, /\n {2}\? it is\n {6}41 s\n/);
  assert.match(text, / · machine too busy to tell · 1 of 2 checks failed\n/);
  const page = renderHtml([result]);
  assert.match(page, /<title>Loadstone drills: 0 passed, 1 without a verdict<\/title>/);
  assert.match(page, /<span class="verdict open">\? machine too busy<\/span>/);
});
