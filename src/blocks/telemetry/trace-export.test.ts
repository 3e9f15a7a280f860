import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { createTracer } from '#base/trace';
import { type TraceExportOptions, traceExportOptions } from './options.ts';
import { createTraceExport } from './trace-export.ts';

interface SentSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  kind: number;
}

interface Sent {
  resourceSpans: {
    resource: { attributes: { key: string; value: { stringValue: string } }[] };
    scopeSpans: { spans: SentSpan[] }[];
  }[];
}

const never = new AbortController().signal;
const PARENT = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const RECORDED = `00-${PARENT.traceId}-${PARENT.spanId}-01`;
const NOT_RECORDED = `00-${PARENT.traceId}-${PARENT.spanId}-00`;

suite('the trace export', () => {
  let receiver: Server;
  let endpoint: string;
  let received: { path: string; key: string | undefined; body: Sent }[];
  let status: number;
  const tracer = createTracer(systemRandom);

  beforeEach(async () => {
    received = [];
    status = 200;
    receiver = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      request.on('end', () => {
        const key = request.headers['x-key'] as string | undefined;
        received.push({ path: request.url ?? '', key, body: JSON.parse(text) as Sent });
        response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => {
      receiver.listen(0, '127.0.0.1', resolve);
    });
    endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    receiver.closeAllConnections();
    await new Promise((resolve) => {
      receiver.close(resolve);
    });
  });

  function make(options: Partial<TraceExportOptions>) {
    const metrics = createMetrics();
    const deps = { clock: systemClock, log: silentLog, metrics, resource: { 'service.name': 'loadstone' } };
    return { metrics, ...createTraceExport(parseOptions(traceExportOptions, options), deps) };
  }

  const spans = () =>
    received.flatMap(({ body }) =>
      body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans)),
    );

  test('sends what was recorded, with its parents, before it has stopped', async () => {
    const it = make({ endpoint: `${endpoint}/`, headers: { 'x-key': 'secret' } });
    await it.start(never);
    assert(tracer.records());
    const request = tracer.begin(RECORDED, 'GET', 'server');
    const step = tracer.begin(request.trace.traceparent, 'publish links', 'producer');
    step.span.end();
    request.span.end();
    await it.stop(never);
    assert(!tracer.records());
    assert.deepEqual(
      received.map(({ path, key }) => [path, key]),
      [['/v1/traces', 'secret']],
    );
    const [first, second] = spans().sort((a, b) => a.kind - b.kind);
    assert.deepEqual([first?.name, second?.name], ['GET', 'publish links']);
    assert.deepEqual([first?.traceId, second?.traceId], [PARENT.traceId, PARENT.traceId]);
    assert.deepEqual([first?.parentSpanId, second?.parentSpanId], [PARENT.spanId, first?.spanId]);
    const attributes = received[0]?.body.resourceSpans[0]?.resource.attributes ?? [];
    assert(attributes.some(({ key, value }) => key === 'service.name' && value.stringValue === 'loadstone'));
    assert.match(await it.metrics.registry.metrics(), /^loadstone_trace_spans_total\{result="sent"\} 2$/m);
  });

  test('leaves out what the caller does not record, and its share of what begins here', async () => {
    const it = make({ endpoint, sampleRatio: 0 });
    await it.start(never);
    for (const parent of [NOT_RECORDED, undefined]) {
      const { trace, span } = tracer.begin(parent, 'GET', 'server');
      span.end();
      assert.match(trace.traceparent, /-00$/);
    }
    await it.stop(never);
    assert.deepEqual(received, []);
  });

  test('a receiver that refuses costs the spans, and nothing else', async () => {
    status = 400;
    const it = make({ endpoint });
    await it.start(never);
    tracer.begin(RECORDED, 'GET', 'server').span.end();
    await it.stop(never);
    assert.match(await it.metrics.registry.metrics(), /^loadstone_trace_spans_total\{result="failed"\} 1$/m);
  });

  test('without an endpoint nothing is recorded', async () => {
    const it = make({});
    await it.start(never);
    assert(!tracer.records());
    tracer.begin(RECORDED, 'GET', 'server').span.end();
    await it.stop(never);
    assert.deepEqual(received, []);
  });

  test('a second one in the process steps back', async () => {
    const [first, second] = [make({ endpoint }), make({ endpoint })];
    await first.start(never);
    await second.start(never);
    await second.stop(never);
    assert(tracer.records());
    await first.stop(never);
  });

  test('only addresses are endpoints', () => {
    assert.throws(() => make({ endpoint: 'localhost:4318' }), /endpoint: "localhost:4318" is not allowed/);
  });
});
