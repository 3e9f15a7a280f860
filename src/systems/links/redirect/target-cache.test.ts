import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createManualClock } from '#base/clock';
import { createTargetCache } from './target-cache.ts';

const target = (url: string) => ({ url, redirectStatus: 302, expiresAtMs: null });

function make(entriesMax = 3) {
  const clock = createManualClock();
  const cache = createTargetCache({ entriesMax, ttlMs: 1000, staleMsMax: 5000 }, { clock });
  const fill = (code: string, url = code) => cache.keep(code, cache.begin(code), target(url));
  return { clock, cache, fill };
}

test('a kept target is fresh for its time, then stale for longer, then nothing', () => {
  const { clock, cache, fill } = make();
  fill('a');
  assert.equal(cache.fresh('a', clock.nowMs())?.url, 'a');
  clock.advance(1000);
  assert.equal(cache.fresh('a', clock.nowMs()), undefined);
  assert.equal(cache.stale('a')?.url, 'a');
  clock.advance(4000);
  assert.equal(cache.stale('a'), undefined);
});

test('a clock that is set makes nothing stale for longer', () => {
  const { clock, cache, fill } = make();
  fill('a');
  clock.step(-3_600_000);
  clock.advance(4999);
  assert.equal(cache.stale('a')?.url, 'a', 'nothing is older than it was');
  clock.advance(1);
  assert.equal(cache.stale('a'), undefined);
  fill('b');
  clock.step(5000);
  assert.equal(cache.stale('b'), undefined, 'the machine may have slept');
});

test('what was used since the last sweep gets a second chance', () => {
  const { clock, cache, fill } = make(3);
  for (const code of ['a', 'b', 'c']) fill(code);
  cache.fresh('a', clock.nowMs());
  fill('d');
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((code) => cache.stale(code) !== undefined),
    [true, false, true, true],
  );
});

test('a fill that began before a change of its code is not kept', () => {
  const { clock, cache } = make();
  const ticket = cache.begin('a');
  cache.forget('a');
  cache.keep('a', ticket, target('old'));
  assert.equal(cache.fresh('a', clock.nowMs()), undefined);
  cache.keep('a', cache.begin('a'), target('new'));
  assert.equal(cache.fresh('a', clock.nowMs())?.url, 'new');
});

test('property: bounded, and never gives a target from before the last change', () => {
  const codes = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const action = fc.oneof(
    fc.record({ kind: fc.constant('begin' as const), code: codes }),
    fc.record({ kind: fc.constant('finish' as const), code: codes }),
    fc.record({ kind: fc.constant('change' as const), code: codes }),
    fc.record({ kind: fc.constant('read' as const), code: codes }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const { clock, cache } = make(3);
      const truth = new Map<string, number>();
      const fills: { code: string; ticket: number; version: number }[] = [];
      for (const { kind, code } of actions) {
        const version = truth.get(code) ?? 0;
        if (kind === 'begin') fills.push({ code, ticket: cache.begin(code), version });
        if (kind === 'change') {
          truth.set(code, version + 1);
          cache.forget(code);
        }
        if (kind === 'finish') {
          const at = fills.findIndex((fill) => fill.code === code);
          const [fill] = at === -1 ? [] : fills.splice(at, 1);
          if (fill) cache.keep(code, fill.ticket, target(String(fill.version)));
        }
        const kept = cache.fresh(code, clock.nowMs());
        if (kept) assert.equal(kept.url, String(truth.get(code) ?? 0));
        assert(cache.size() <= 3);
      }
    }),
  );
});

test('more changes than are remembered void every fill under way', () => {
  const { clock, cache } = make();
  const ticket = cache.begin('victim');
  for (let i = 0; i < 10_001; i++) cache.forget(`code-${i}`);
  cache.forget('victim');
  for (let i = 0; i < 10_001; i++) cache.forget(`other-${i}`);
  cache.keep('victim', ticket, target('old'));
  assert.equal(cache.fresh('victim', clock.nowMs()), undefined);
});

test('a clock that is set back makes an entry ask again', () => {
  const { clock, cache, fill } = make();
  fill('a');
  clock.step(-5);
  assert.equal(cache.fresh('a', clock.nowMs()), undefined);
});
