import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';
import { createSignals } from './signals.ts';

test('signals are scraped with their present values, and registries do not share', async () => {
  const signals = createSignals();
  let hits = 3;
  signals.counted('test_hits_total', 'Hits', () => hits);
  signals.gauge('test_waiting', 'Waiting', () => hits * 2);
  let age: number | undefined;
  signals.gauge('test_age_seconds', 'Age', () => age);
  signals.counter('test_errors_total', { help: 'Errors', labels: { code: ['x', 'y'] } }).inc({ code: 'x' });
  signals.histogram('test_duration_seconds', { help: 'Duration', buckets: [1, 2] }).observe({}, 1.5);
  assert.match(await signals.registry.metrics(), /test_hits_total 3\n/);
  hits = 5;
  const text = await signals.registry.metrics();
  assert.match(text, /test_hits_total 5\n/);
  assert.match(text, /test_waiting 10\n/);
  assert.doesNotMatch(text, /test_age_seconds \d/);
  for (const [value, shown] of [
    [7, true],
    [undefined, false],
  ] as const) {
    age = value;
    assert.equal(/test_age_seconds 7\n/.test(await signals.registry.metrics()), shown);
  }
  assert.match(text, /test_errors_total\{code="x"\} 1\n/);
  assert.match(text, /test_duration_seconds_bucket\{le="2"\} 1\n/);
  assert.equal(await createSignals().registry.metrics(), '\n');
});

test('log lines are JSON with service, time and level, and secrets are redacted', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'info', service: 'test' }, { write: (line) => lines.push(line) });
  log.debug('not written');
  log.info({ traceId: 'abc', authorization: 'Bearer secret', password: 'secret' }, 'hello');
  assert.equal(lines.length, 1);
  const line = JSON.parse(lines[0] as string);
  assert.deepEqual([line.service, line.level, line.msg, line.traceId], ['test', 'info', 'hello', 'abc']);
  assert.doesNotMatch(lines[0] as string, /secret/);
  assert(!Number.isNaN(Date.parse(line.time)));
});
