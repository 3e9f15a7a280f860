import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isLoadstoneError } from '#base/errors';
import { type AnswerParser, createAnswerParser } from './answer-parser.ts';

interface Sent {
  method: 'GET' | 'HEAD';
  status: number;
  headers: Record<string, string>;
  body: string;
  framing: 'counted' | 'chunked' | 'none';
  chunkSizes: number[];
  interims: number;
  trailers: number;
}

const token = fc.stringMatching(/^[a-z][a-z-]{0,20}$/);
const value = fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/);
const FRAMING = new Set(['content-length', 'transfer-encoding', 'connection']);
const sentAnswers: fc.Arbitrary<Sent> = fc.record({
  method: fc.constantFrom('GET' as const, 'HEAD' as const),
  status: fc.constantFrom(200, 201, 204, 302, 304, 404, 503),
  headers: fc
    .dictionary(token, value, { maxKeys: 5 })
    .map((all) => Object.fromEntries(Object.entries(all).filter(([name]) => !FRAMING.has(name)))),
  body: fc.string({ maxLength: 300, unit: 'grapheme' }),
  framing: fc.constantFrom('counted' as const, 'chunked' as const, 'none' as const),
  chunkSizes: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 }),
  interims: fc.nat({ max: 2 }),
  trailers: fc.nat({ max: 2 }),
});

const isBodiless = ({ method, status, framing }: Sent): boolean =>
  method === 'HEAD' || status === 204 || status === 304 || framing === 'none';

const expectedBody = (sent: Sent): string => (isBodiless(sent) ? '' : sent.body);

function chunked(body: Buffer, sizes: readonly number[], trailers: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0, turn = 0; at < body.length; turn++) {
    const part = body.subarray(at, at + (sizes[turn % sizes.length] ?? 1));
    const extension = turn % 2 === 0 ? '' : ';name="value"';
    parts.push(Buffer.from(`${part.length.toString(16)}${extension}\r\n`), part, Buffer.from('\r\n'));
    at += part.length;
  }
  return Buffer.concat([...parts, Buffer.from(`0\r\n${'Trailer: 1\r\n'.repeat(trailers)}\r\n`)]);
}

function bytesOf(sent: Sent): Buffer {
  const { status, headers, framing, chunkSizes, interims, trailers } = sent;
  const body = Buffer.from(sent.body);
  const framed = {
    counted: `Content-Length: ${body.length}\r\n`,
    chunked: 'Transfer-Encoding: chunked\r\n',
    none: 'content-length:0\r\n',
  }[framing];
  const fields = Object.entries(headers).map(([name, text]) => `${name.toUpperCase()}:  ${text} \r\n`);
  const head = `${'HTTP/1.1 103 Early\r\nLink: x\r\n\r\n'.repeat(interims)}HTTP/1.1 ${status} Whatever\r\n${fields.join('')}${framed}\r\n`;
  if (isBodiless(sent)) return Buffer.from(head);
  return Buffer.concat([
    Buffer.from(head),
    framing === 'chunked' ? chunked(body, chunkSizes, trailers) : body,
  ]);
}

/** Cuts at these shares of the length. */
function cut(bytes: Buffer, shares: readonly number[]): Buffer[] {
  const places = [0, ...shares.map((share) => Math.floor(share * bytes.length)), bytes.length].toSorted(
    (a, b) => a - b,
  );
  return places
    .slice(1)
    .map((place, i) => bytes.subarray(places[i], place))
    .filter(({ length }) => length > 0);
}

/** Pushes through one buffer that is overwritten each time, as the reads of a socket are. */
function pushAll(parser: AnswerParser, pieces: readonly Buffer[]): boolean[] {
  const shared = Buffer.alloc(64 * 1024);
  return pieces.map((piece) => {
    shared.fill(0xff);
    piece.copy(shared);
    return parser.push(shared, piece.length);
  });
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    assert(isLoadstoneError(error), String(error));
    return error.code;
  }
}

describe('the parser', () => {
  test('reads the same answers whatever pieces they come in', () => {
    const sequences = fc.array(sentAnswers, { minLength: 1, maxLength: 4 });
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
    fc.assert(
      fc.property(sequences, cuts, fc.boolean(), (sequence, shares, keeps) => {
        const parser = createAnswerParser(keeps);
        for (const sent of sequence) {
          parser.begin(sent.method);
          const done = pushAll(parser, cut(bytesOf(sent), shares));
          assert.equal(done.at(-1), true);
          assert(!done.slice(0, -1).includes(true));
          assert.equal(parser.status, sent.status);
          assert.equal(parser.isLast, false);
          if (!keeps) continue;
          assert.equal(parser.body, expectedBody(sent));
          for (const [name, text] of Object.entries(sent.headers)) assert.equal(parser.headers?.[name], text);
        }
      }),
    );
  });

  test('reads them byte by byte too', () => {
    fc.assert(
      fc.property(sentAnswers, (sent) => {
        const parser = createAnswerParser(true);
        const bytes = bytesOf(sent);
        parser.begin(sent.method);
        const done = pushAll(
          parser,
          [...bytes].map((byte) => Buffer.from([byte])),
        );
        assert.equal(done.indexOf(true), bytes.length - 1);
        assert.equal(parser.body, expectedBody(sent));
      }),
      { numRuns: 30 },
    );
  });

  test('no bytes do worse than be refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), sentAnswers, fc.nat(), (noise, sent, at) => {
        const parser = createAnswerParser(true);
        const bytes = Buffer.from(bytesOf(sent));
        bytes.set(noise.subarray(0, bytes.length - (at % bytes.length)), at % bytes.length);
        parser.begin(sent.method);
        const code = codeOf(() => parser.push(bytes, bytes.length));
        assert(code === undefined || code === 'load_answer_malformed');
      }),
    );
  });

  test('knows which answer is the last of its connection', () => {
    const cases: [string, boolean][] = [
      ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', false],
      ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n', true],
      ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nconnection: Keep-Alive, Close\r\n\r\n', true],
      ['HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', true],
      ['HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n', false],
    ];
    for (const [text, isLast] of cases) {
      const parser = createAnswerParser(false);
      parser.begin('GET');
      assert.equal(parser.push(Buffer.from(text), text.length), true, text);
      assert.equal(parser.isLast, isLast, text);
    }
  });

  test('an answer without a length ends with its connection', () => {
    const parser = createAnswerParser(true);
    parser.begin('GET');
    const text = Buffer.from('HTTP/1.1 200 OK\r\n\r\nall of it');
    assert.equal(parser.push(text, text.length), false);
    assert.equal(parser.end(), true);
    assert.deepEqual([parser.body, parser.isLast], ['all of it', true]);
    parser.begin('GET');
    assert.equal(parser.end(), false);
  });

  test('repeated headers are joined', () => {
    const parser = createAnswerParser(true);
    parser.begin('GET');
    const text = Buffer.from('HTTP/1.1 204 No Content\r\nVary: a\r\nvary:b\r\n\r\n');
    parser.push(text, text.length);
    assert.equal(parser.headers?.vary, 'a, b');
  });

  test('what is no answer is refused', () => {
    const head = 'HTTP/1.1 200 OK\r\n';
    const cases = [
      'SSH-2.0-OpenSSH_9.6\r\n\r\n',
      'HTTP/2 200\r\n\r\n',
      'HTTP/1.1 2x0 OK\r\n\r\n',
      'HTTP/1.1 101 Switching\r\n\r\n',
      `${head}Content-Length: ten\r\n\r\n`,
      `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
      `${head}Content-Length: 1\r\n\r\nab`,
      `${head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`,
      `${head}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`,
      `${head}Transfer-Encoding: chunked\r\n\r\n${'1'.repeat(2000)}`,
      `${head}X: ${'y'.repeat(70_000)}\r\n\r\n`,
    ];
    for (const text of cases) {
      const parser = createAnswerParser(true);
      parser.begin('GET');
      const code = codeOf(() => {
        const bytes = Buffer.from(text);
        for (const piece of cut(bytes, [0.5])) parser.push(piece, piece.length);
      });
      assert.equal(code, 'load_answer_malformed', text.slice(0, 60));
    }
    const parser = createAnswerParser(true);
    assert.equal(
      codeOf(() => parser.push(Buffer.from('x'), 1)),
      'load_answer_malformed',
    );
  });
});
