import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../random.ts';
import { createTracer, traceHeaders } from '../trace.ts';

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
    `ff-${TRACE_ID}-b7ad6b7169203331-01`,
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

test('ids are random: none says how many were made before it, and none is all zeros', () => {
  const tracer = createTracer(seededRandom(4));
  const parts = Array.from({ length: 4000 }, () => tracer.traceparent(undefined).split('-'));
  const ids = [...parts.map(([, traceId = '']) => traceId), ...parts.map(([, , spanId = '']) => spanId)];
  assert.equal(new Set(ids).size, ids.length);
  // Of neighbours every digit differs in 15 of 16 cases; counting leaves nearly all of them equal.
  for (const at of [1, 2]) {
    const width = at === 1 ? 32 : 16;
    for (let digit = 0; digit < width; digit++) {
      const same = parts.slice(1).filter((part, i) => part[at]?.[digit] === parts[i]?.[at]?.[digit]).length;
      assert(same > 150 && same < 350, `digit ${digit}: ${same} of 3999 as in the id before`);
    }
  }
  const zeros = createTracer({
    fraction: () => 0,
    bytes: (count) => Buffer.concat([Buffer.alloc(24), Buffer.alloc(count - 24, 7)]),
  });
  assert.match(zeros.traceparent(undefined), /^00-0{0,31}[0-9a-f]+7-(07){8}-00$/);
});

test('the tracestate of a caller is passed on with the trace, and never without it', () => {
  const tracer = createTracer(seededRandom(5));
  const given = { traceparent: PARENT, tracestate: 'foo=1, bar=2' };
  assert.equal(tracer.tracestate(given), 'foo=1,bar=2');
  const { trace } = tracer.begin(given, 'step', 'server');
  assert.equal(trace.tracestate, 'foo=1,bar=2');
  assert.deepEqual(traceHeaders(trace), { traceparent: trace.traceparent, tracestate: 'foo=1,bar=2' });
  assert.equal(tracer.tracestate({ traceparent: 'nonsense', tracestate: 'foo=1' }), undefined);
  assert.equal(tracer.tracestate(PARENT), undefined);
});
