/**
 * W3C Trace Context, level 1, as node's parser of requests and the tracer have it together: each case is what a caller sends
 * and what is passed on. The numbers are sections of the recommendation.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { systemRandom } from '#base/random';
import { createTracer, traceHeaders } from '#base/trace';
import { traceparentOf } from './traceparent.ts';

const TRACE_ID = '12345678901234567890123456789012';
const SPAN_ID = '1234567890123456';
const GOOD = `00-${TRACE_ID}-${SPAN_ID}-01`;
const PRINTABLE = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i))
  .filter((char) => char !== ',' && char !== '=')
  .join('');
const KEY_CHARS = 'abcdefghijklmnopqrstuvwxyz0123456789_-*/';

const tracer = createTracer(systemRandom);
const server = createServer((request, response) => {
  const { trace, span } = tracer.begin(traceparentOf(request), 'GET', 'server');
  span.end();
  response.writeHead(200, traceHeaders(trace)).end();
});

interface PassedOn {
  traceId: string;
  spanId: string;
  flags: string;
  tracestate: string | undefined;
}

/** Sends the lines as they are. */
async function send(lines: readonly string[]): Promise<PassedOn> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write(
    `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines.map((l) => `${l}\r\n`).join('')}\r\n`,
    'latin1',
  );
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(socket, 'close');
  const [, traceId = '', spanId = '', flags = ''] =
    /^traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\r$/m.exec(text) ?? [];
  assert.notEqual(traceId, '', text);
  return { traceId, spanId, flags, tracestate: /^tracestate: (.*)\r$/m.exec(text)?.[1] };
}

const parent = (value: string) => [`traceparent: ${value}`];
const state = (...values: string[]) => [`traceparent: ${GOOD}`, ...values.map((v) => `tracestate: ${v}`)];
const member = (i: number) => `bar${String(i).padStart(2, '0')}=${i}`;
const members = (count: number) => Array.from({ length: count }, (_, i) => member(i + 1)).join(',');

/** Name, lines sent, and whether the trace is continued. */
const TRACEPARENTS: readonly (readonly [string, readonly string[], boolean])[] = [
  ['none', [], false],
  ['one (3.2)', parent(GOOD), true],
  ['two that differ', [...parent(GOOD), ...parent(`00-${TRACE_ID}-${SPAN_ID}-00`)], false],
  ['a name with other letters around it', [`trace-parent: ${GOOD}`, `trace.parent: ${GOOD}`], false],
  ['a name in upper case', [`TraceParent: ${GOOD}`], true],
  ['a name in capitals', [`TRACEPARENT: ${GOOD}`], true],
  ['spaces and tabs around it', [`traceparent:  \t ${GOOD} \t `], true],
  ['no space in front of it', [`traceparent:${GOOD}`], true],
  ['version 00 with more behind it (3.2.2.2)', parent(`${GOOD}-what-the-future-will-be-like`), false],
  ['version 00 with a dot behind it', parent(`${GOOD}.`), false],
  ['version 00 with a dash behind it', parent(`${GOOD}-`), false],
  ['a future version (3.2.4)', parent(`cc-${TRACE_ID}-${SPAN_ID}-01`), true],
  [
    'a future version with more behind it',
    parent(`cc-${TRACE_ID}-${SPAN_ID}-01-what-the-future-will-be-like`),
    true,
  ],
  [
    'a future version with other things behind it',
    parent(`cc-${TRACE_ID}-${SPAN_ID}-01.what-the-future-will-be-like`),
    false,
  ],
  ['version ff', parent(`ff-${TRACE_ID}-${SPAN_ID}-01`), false],
  ['version .0', parent(`.0-${TRACE_ID}-${SPAN_ID}-01`), false],
  ['version 0.', parent(`0.-${TRACE_ID}-${SPAN_ID}-01`), false],
  ['a version in upper case', parent(`CC-${TRACE_ID}-${SPAN_ID}-01`), false],
  ['a version that is too long', parent(`000-${TRACE_ID}-${SPAN_ID}-01`), false],
  ['a version that is too short', parent(`0-${TRACE_ID}-${SPAN_ID}-01`), false],
  ['a trace id of zeros (3.2.2.3)', parent(`00-${'0'.repeat(32)}-${SPAN_ID}-01`), false],
  ['a trace id with a dot', parent(`00-.${TRACE_ID.slice(1)}-${SPAN_ID}-01`), false],
  ['a trace id in upper case', parent(`00-${'A'.repeat(32)}-${SPAN_ID}-01`), false],
  ['a trace id that is too long', parent(`00-${TRACE_ID}3-${SPAN_ID}-01`), false],
  ['a trace id that is too short', parent(`00-${TRACE_ID.slice(1)}-${SPAN_ID}-01`), false],
  ['a parent id of zeros (3.2.2.4)', parent(`00-${TRACE_ID}-${'0'.repeat(16)}-01`), false],
  ['a parent id with a dot', parent(`00-${TRACE_ID}-.${SPAN_ID.slice(1)}-01`), false],
  ['a parent id that is too long', parent(`00-${TRACE_ID}-${SPAN_ID}7-01`), false],
  ['a parent id that is too short', parent(`00-${TRACE_ID}-${SPAN_ID.slice(1)}-01`), false],
  ['flags with a dot (3.2.2.5)', parent(`00-${TRACE_ID}-${SPAN_ID}-.0`), false],
  ['flags in upper case', parent(`00-${TRACE_ID}-${SPAN_ID}-0A`), false],
  ['flags that are too long', parent(`00-${TRACE_ID}-${SPAN_ID}-001`), false],
  ['flags that are too short', parent(`00-${TRACE_ID}-${SPAN_ID}-1`), false],
];

/** Name, lines sent, and the list passed on. */
const TRACESTATES: readonly (readonly [string, readonly string[], string | undefined])[] = [
  ['without a traceparent (3.3.1)', ['tracestate: foo=1'], undefined],
  ['with one that is malformed', ['traceparent: nonsense', 'tracestate: foo=1'], undefined],
  ['with one', state('foo=1,bar=2'), 'foo=1,bar=2'],
  [
    'with one of a future version',
    [...parent(`cc-${TRACE_ID}-${SPAN_ID}-01-x`), 'tracestate: foo=1'],
    'foo=1',
  ],
  [
    'a name with other letters around it',
    [...parent(GOOD), 'trace-state: foo=1', 'tracestates: foo=1'],
    undefined,
  ],
  ['a name in upper case', [...parent(GOOD), 'TraceState: foo=1'], 'foo=1'],
  ['empty', state(''), undefined],
  ['an empty line behind one', state('foo=1', ''), 'foo=1'],
  ['an empty line in front of one', state('', 'foo=1'), 'foo=1'],
  ['empty members', state('foo=1,,bar=2, ,'), 'foo=1,bar=2'],
  [
    'several lines are one list, in their order (3.3)',
    state('foo=1,bar=2', 'rojo=1,congo=2', 'baz=3'),
    'foo=1,bar=2,rojo=1,congo=2,baz=3',
  ],
  ['a key twice', state('foo=1,bar=2,foo=3'), 'foo=1,bar=2'],
  ['a key twice, over lines', state('foo=1', 'foo=1'), 'foo=1'],
  ['spaces and tabs around members', state('foo=1 \t , \t bar=2, \t baz=3'), 'foo=1,bar=2,baz=3'],
  ['spaces and tabs around it', [`traceparent: ${GOOD}`, 'tracestate: \t foo=1 \t '], 'foo=1'],
  ['every letter of a key', state(`${KEY_CHARS}=1`), `${KEY_CHARS}=1`],
  ['every letter of a key with a tenant', state(`${KEY_CHARS}@a-z0-9_-*/=1`), `${KEY_CHARS}@a-z0-9_-*/=1`],
  ['every letter of a value', state(`foo=${PRINTABLE}`), `foo=${PRINTABLE}`],
  ['a space in a key', state('foo =1,bar=2'), undefined],
  ['a key in upper case', state('FOO=1'), undefined],
  ['a dot in a key', state('foo.bar=1'), undefined],
  ['a key that begins with a sign', state('_foo=1'), undefined],
  ['no key', state('=1,bar=2'), undefined],
  ['no system behind the @', state('foo@=1,bar=2'), undefined],
  ['no tenant in front of the @', state('@foo=1,bar=2'), undefined],
  ['two @ together', state('foo@@bar=1,bar=2'), undefined],
  ['two @ apart', state('foo@bar@baz=1,bar=2'), undefined],
  ['no value', state('foo=,bar=2'), undefined],
  ['no equals sign', state('foo,bar=2'), undefined],
  ['an equals sign in a value', state('foo=bar=baz,bar=2'), undefined],
  ['a letter outside ASCII in a value', state('foo=b\xe4r'), undefined],
  ['a value of 256', state(`foo=${'x'.repeat(256)}`), `foo=${'x'.repeat(256)}`],
  ['a value of 257', state(`foo=${'x'.repeat(257)}`), undefined],
  ['a key of 256', state(`foo=1,${'z'.repeat(256)}=1`), `foo=1,${'z'.repeat(256)}=1`],
  ['a key of 257', state(`foo=1,${'z'.repeat(257)}=1`), undefined],
  [
    'a tenant of 241 and a system of 14',
    state(`${'t'.repeat(241)}@${'v'.repeat(14)}=1`),
    `${'t'.repeat(241)}@${'v'.repeat(14)}=1`,
  ],
  ['a tenant of 242', state(`${'t'.repeat(242)}@v=1`), undefined],
  ['a system of 15', state(`t@${'v'.repeat(15)}=1`), undefined],
  ['32 members', state(members(32)), members(32)],
  ['33 members', state(members(33)), undefined],
  ['33 members over lines', state(members(20), members(33).split(',').slice(20).join(',')), undefined],
];

describe('trace context', () => {
  before(() => once(server.listen(0, '127.0.0.1'), 'listening'));
  after(() => server.close());

  for (const [name, lines, isContinued] of TRACEPARENTS) {
    test(`traceparent: ${name}: ${isContinued ? 'continued' : 'begun anew'}`, async () => {
      const { traceId, spanId, flags } = await send(lines);
      assert.equal(traceId === TRACE_ID, isContinued);
      assert.notEqual(spanId, SPAN_ID);
      assert.equal(flags, isContinued ? '01' : '00');
    });
  }

  for (const [name, lines, expected] of TRACESTATES) {
    test(`tracestate: ${name}`, async () => {
      const { traceId, tracestate } = await send(lines);
      assert.equal(tracestate, expected);
      const hasParent = lines.some((line) => /^traceparent: \S+-/.test(line));
      assert.equal(traceId === TRACE_ID, hasParent, 'a tracestate does not decide about the trace');
    });
  }

  test('flags: sampled is kept, what level 1 does not know is not', async () => {
    for (const [sent, kept] of [
      ['00', '00'],
      ['01', '01'],
      ['02', '00'],
      ['ff', '01'],
    ] as const) {
      assert.equal((await send(parent(`00-${TRACE_ID}-${SPAN_ID}-${sent}`))).flags, kept, sent);
    }
  });

  test('what is longer than everybody must take is cut: long members first, then the last', async () => {
    const long = `long=${'x'.repeat(130)}`;
    const short = Array.from({ length: 10 }, (_, i) => `k${i}=${'y'.repeat(47)}`);
    const cut = await send(state([short[0], long, ...short.slice(1)].join(',')));
    assert.equal(cut.tracestate, short.join(','), 'the long one is gone');
    const more = [...short, 'z1=1', 'z2=2'];
    assert.equal((await send(state(more.join(',')))).tracestate, [...short, 'z1=1'].slice(0, 10).join(','));
    const longs = ['a', 'b', 'c', 'd'].map((key) => `${key}=${'x'.repeat(150)}`);
    assert.equal(
      (await send(state(longs.join(',')))).tracestate,
      longs.slice(0, 3).join(','),
      'the oldest of them',
    );
  });
});
