import assert from 'node:assert/strict';
import test from 'node:test';
import { parseReport } from './wrk.ts';

const REPORT =
  '{"requests":142,"durationUs":2000000,"connect":0,"read":0,"write":0,"timeout":0,"status":0,"p50Us":900,"p99Us":2100}';

test('the report is the last line, after what wrk itself prints', () => {
  const { requests, p99Us } = parseReport(`Running 2s test\n  1 threads\n\n${REPORT}\n`);
  assert.equal(requests, 142);
  assert.equal(p99Us, 2100);
});

test('errors under load and a missing report are failures', () => {
  for (const kind of ['connect', 'read', 'write', 'timeout', 'status']) {
    assert.throws(() => parseReport(REPORT.replace(`"${kind}":0`, `"${kind}":3`)), new RegExp(`"${kind}":3`));
  }
  assert.throws(() => parseReport('unable to connect'), /no report/);
});
