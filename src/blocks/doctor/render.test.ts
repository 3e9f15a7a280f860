import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration, formatShare, printable } from './amounts.ts';
import { type Finding, fine } from './finding.ts';
import { renderFindings, renderFindingsJson } from './render.ts';

const FINDINGS: Finding[] = [
  {
    id: 'dead_rows:core.jobs',
    severity: 'warning',
    what: 'core.jobs has 20,000 dead rows',
    why: 'reads step over them',
    remedy: 'vacuum core.jobs',
  },
  fine('settings', 'fsync on'),
];

test('findings are lines in columns', () => {
  assert.equal(
    renderFindings(FINDINGS),
    [
      'warning  dead_rows:core.jobs  core.jobs has 20,000 dead rows',
      '                              why     reads step over them',
      '                              remedy  vacuum core.jobs',
      'ok       settings             fsync on',
    ].join('\n'),
  );
  assert.equal(renderFindings([]), '');
});

test('what others have named cannot steer a terminal, nor begin a line', () => {
  const text = renderFindings([fine('x', 'a\u001b[31m\nred \u0007 bell \u202e turned')]);
  assert.equal(text, 'ok  x  a [31m red bell turned');
});

test('findings are JSON with the worst severity', () => {
  assert.deepEqual(JSON.parse(renderFindingsJson(FINDINGS)), { severity: 'warning', findings: FINDINGS });
  assert.equal(JSON.parse(renderFindingsJson([])).severity, 'ok');
});

test('amounts are in the unit that a person would use', () => {
  assert.deepEqual([0, 400, 90_000, 120_000, 7_200_000, 172_800_000].map(formatDuration), [
    '0.0 s',
    '0.4 s',
    '90 s',
    '2 min',
    '2 h',
    '2 d',
  ]);
  assert.deepEqual([12, 1023, 1024, 3.5 * 1024 ** 3].map(formatBytes), [
    '12 bytes',
    '1023 bytes',
    '1.0 KiB',
    '3.5 GiB',
  ]);
  assert.deepEqual([formatShare(0.125)], ['13 %']);
  assert.equal(printable(' \t\n'), '');
});
