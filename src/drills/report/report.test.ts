import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { renderHtml } from './html.ts';
import { makeResult } from './report.fixture.ts';
import { formatResult } from './report.ts';
import type { DrillResult } from './result.ts';
import { decades, positionLabels, roundTicks, textWidth } from './scale.ts';
import { summarize } from './text.ts';

/** Whatever a server may have said, or a caller may have named a thing. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '</pre><script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    '</style><style>@import "//example.com"',
    '</title></svg><script>',
    '<!--',
    ']]>',
    '&lt;script&gt;',
    '\u001b[2J\u001b]0;title\u0007',
    '\u202Egnp.exe',
    'a\nb\r\nc\u2028d',
    '\uD800',
    'a very long text '.repeat(200),
  ),
);

/** By terminals and browsers; lines and tabs apart. */
const OBEYED = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/u;

function poison(text: string): DrillResult {
  const result = makeResult();
  return {
    ...result,
    drill: text,
    summary: text,
    startedAt: text,
    again: text,
    topology: [text],
    marks: result.marks.map((mark) => ({ ...mark, text })),
    checks: [
      { claim: text, passed: true, detail: text },
      { claim: text, passed: false, detail: text },
    ],
  };
}

/** The tags of a page, with the names of their attributes: whatever the texts are, these stay the same. */
function skeleton(html: string): string[] {
  const tags = html.matchAll(/<(\/?[a-z!][\w-]*)((?:\s+[\w:-]+(?:="[^"<>]*")?)*)\s*\/?>/g);
  const names = (attributes = '') =>
    [...attributes.matchAll(/([\w:-]+)(?:="[^"]*")?/g)].map(([, name]) => name);
  return [...tags].map(([, tag, attributes]) => `${tag} ${names(attributes).join(' ')}`.trim());
}

describe('the page', () => {
  const page = renderHtml([makeResult()]);

  test('has tags that close each other in turn', () => {
    const open: string[] = [];
    const empty = /^(!doctype|meta|path|rect)\b/;
    for (const tag of skeleton(page).map((each) => each.split(' ')[0] ?? '')) {
      if (empty.test(tag)) continue;
      if (!tag.startsWith('/')) open.push(tag);
      else assert.equal(open.pop(), tag.slice(1));
    }
    assert.deepEqual(open, []);
  });

  test('needs nothing from elsewhere, and runs nothing', () => {
    assert.doesNotMatch(page, /<script|<link|<iframe|\ssrc=|\son\w+=|@import|url\(|https?:/);
    assert.match(page, /content="default-src 'none'; style-src 'unsafe-inline'"/);
  });

  test('follows the scheme of its reader, and says in words what the plot shows', () => {
    assert.match(page, /prefers-color-scheme: dark/);
    assert.match(page, /<svg [^>]*role="img" aria-labelledby="drill-1-title drill-1-text"/);
    assert.match(
      page,
      /<desc id="drill-1-text">Over 20\.0 s: 18,133 requests answered well, 1,722 refused, 40 of/,
    );
    assert.match(page, /Marks: fault at 8\.0 s, kill -9 of the primary, pid 4711; note/);
    assert.equal(page.match(/<tr>/g)?.length, 1 + 6 + 1 + 100, 'marks and slices are tables as well');
  });

  test('shows at once what has failed', () => {
    assert.match(
      page,
      /<details open><summary><span class="verdict failed">✗ failed<\/span> what is derived/,
    );
    assert.match(
      page,
      /<details><summary><span class="verdict passed">✓ passed<\/span> nothing acknowledged/,
    );
    assert.match(page, /<title>Loadstone drills: 1 of 1 failed<\/title>/);
    const checks = makeResult().checks.slice(0, 1);
    assert.match(renderHtml([makeResult({ checks })]), /<title>Loadstone drills: 1 passed<\/title>/);
    assert.match(
      renderHtml([makeResult({ checks: [] })]),
      /1 of 1 failed/,
      'without a check nothing has passed',
    );
  });

  test('of several drills begins with a table that leads to each', () => {
    const both = renderHtml([makeResult(), makeResult({ drill: 'web-killed' })]);
    assert.match(both, /<a href="#drill-2">web-killed<\/a>/);
    assert.equal(new Set(both.match(/\sid="[^"]+"/g)).size, both.match(/\sid="[^"]+"/g)?.length);
  });

  test('of a drill without slices, marks, or anything that was answered, is whole', () => {
    const nothing = makeResult({ slices: [], marks: [], checks: [], topology: [], recoveredMs: undefined });
    const silent = makeResult({
      slices: [{ atMs: 0, ok: 0, refused: 0, unknown: 0, notSent: 0, latencyP50Ms: 0, latencyP99Ms: 0 }],
      durationMs: 0,
    });
    for (const result of [nothing, silent])
      assert.doesNotMatch(renderHtml([result]), /NaN|Infinity|undefined/);
  });

  test('takes every text for text', () => {
    const expected = skeleton(renderHtml([poison('harmless')]));
    fc.assert(
      fc.property(hostile, (text) => {
        const html = renderHtml([poison(text)]);
        assert.deepEqual(skeleton(html), expected);
        assert.equal(html.match(/</g)?.length, expected.length, 'no other < is in it');
        assert(!OBEYED.test(html));
      }),
      { numRuns: 300 },
    );
  });
});

describe('for a terminal', () => {
  test('a result has its checks with marks, one line that says it all, and the command', () => {
    const lines = formatResult(makeResult()).split('\n');
    assert.equal(
      lines[0],
      '✗ primary-lost: The primary is lost and the standby promoted: nothing acknowledged is lost.',
    );
    assert.deepEqual(lines.slice(-8), [
      '  ✓ nothing acknowledged is lost',
      '      41,233 writes acknowledged, 41,233 found in rows and log',
      '  ✗ what is derived equals the truth',
      '      note_counts',
      '      note_counts: 2 differences, 0 parked keys',
      '',
      '  acknowledged 41,233 · found 41,233 · recovered in 1.8 s · at 1,000/s · 1 of 2 checks failed',
      '  again: loadstone drill primary-lost --seed 42',
    ]);
  });

  test('the line tells apart what was not recovered from and what never failed', () => {
    const [passed] = makeResult().checks;
    const checks = passed ? [passed] : [];
    const line = (own: Partial<DrillResult>) => summarize(makeResult({ checks, ...own }));
    assert.equal(line({}), 'acknowledged 41,233 · found 41,233 · recovered in 1.8 s · at 1,000/s');
    assert.match(line({ recoveredMs: undefined }), / · not recovered · at 1,000\/s$/);
    assert.match(line({ recoveredMs: undefined, slices: [] }), / · no request failed · at 1,000\/s$/);
    assert.match(line({ checks: [] }), / · nothing was checked$/);
  });

  test('no text reaches it that it would obey', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        assert(!OBEYED.test(formatResult(poison(text))));
      }),
    );
  });
});

describe('on a plot', () => {
  test('ticks are round, few, and reach the highest value', () => {
    assert.deepEqual(roundTicks(1100, 4), [0, 500, 1000, 1500]);
    assert.deepEqual(roundTicks(0.7, 4), [0, 0.2, 0.4, 0.6, 0.8]);
    fc.assert(
      fc.property(
        fc.double({ min: 1e-3, max: 1e9, noNaN: true }),
        fc.integer({ min: 2, max: 12 }),
        (max, steps) => {
          const ticks = roundTicks(max, steps);
          assert(ticks.length >= 2 && ticks.length <= steps + 1, `${ticks}`);
          assert((ticks.at(-1) ?? 0) >= max * (1 - 1e-6) && ticks[0] === 0);
        },
      ),
    );
  });

  test('decades hold every value between them', () => {
    assert.deepEqual(decades(1, 1), [1, 10]);
    assert.deepEqual(decades(0.2, 450), [0.1, 1, 10, 100, 1000]);
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 1e6, noNaN: true }),
        fc.double({ min: 1, max: 1e4, noNaN: true }),
        (low, by) => {
          const ticks = decades(low, low * by);
          assert((ticks[0] ?? 0) <= low * 1.001 && (ticks.at(-1) ?? 0) >= low * by * 0.999, `${ticks}`);
        },
      ),
    );
  });

  test('labels do not meet, and stay on the plot where they fit', () => {
    const [leftX, rightX] = [70, 940];
    const label = fc.record({
      x: fc.integer({ min: leftX, max: rightX }),
      text: fc.string({ maxLength: 60 }),
    });
    fc.assert(
      fc.property(fc.array(label, { maxLength: 16 }), (labels) => {
        const sized = labels.map(({ x, text }) => ({ x, width: textWidth(text, 12) }));
        const places = positionLabels(sized, { leftX, rightX });
        for (const [at, one] of places.entries()) {
          for (const other of places.slice(at + 1)) {
            const meet = one.row === other.row && one.fromX < other.untilX && other.fromX < one.untilX;
            assert(!meet, JSON.stringify([one, other]));
          }
          const { x = 0, width = 0 } = sized[at] ?? {};
          const couldFit = x + width <= rightX || x - width >= leftX;
          if (couldFit) assert(one.fromX >= leftX && one.untilX <= rightX, JSON.stringify(one));
        }
      }),
    );
  });
});
