import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from './random.ts';
import { createTracer } from './trace.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT = `00-${TRACE_ID}-b7ad6b7169203331-01`;

test('a trace is continued with a new span, and keeps its flags', () => {
  const tracer = createTracer(seededRandom(1));
  for (const traceparent of [
    tracer.traceparent(PARENT),
    tracer.begin(PARENT, 'step', 'consumer').trace.traceparent,
  ]) {
    const [version, traceId, spanId, flags] = traceparent.split('-');
    assert.deepEqual([version, traceId, flags], ['00', TRACE_ID, '01']);
    assert.notEqual(spanId, 'b7ad6b7169203331');
  }
});

test('what is no parent begins a trace, each time another', () => {
  const tracer = createTracer(seededRandom(2));
  const zeros = '0'.repeat(32);
  const parents = [
    undefined,
    '',
    'nonsense',
    `01-${TRACE_ID}-b7ad6b7169203331-01`,
    `00-${zeros}-b7ad6b7169203331-01`,
    `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
  ];
  const begun = parents.map((parent) => tracer.begin(parent, 'step', 'internal').trace);
  assert.equal(new Set(begun.map(({ traceId }) => traceId)).size, parents.length);
  for (const { traceId, spanId, traceparent } of begun) {
    assert.notEqual(traceId, TRACE_ID);
    assert.equal(traceparent, `00-${traceId}-${spanId}-00`);
  }
});
