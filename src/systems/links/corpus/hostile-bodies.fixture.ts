/**
 * Request bodies that must be refused with a problem document of the 4xx class, and never hurt the server. Not here,
 * because they are fine: a byte order mark before valid JSON (RFC 8259, 8.1, lets a reader ignore it), a key given
 * twice (the last one counts), and encoded line ends in a path (they stay encoded in `Location`).
 */
import { hostileUrls } from './hostile-urls.fixture.ts';

export interface HostileBody {
  name: string;
  path: '/v1/shorten' | '/v1/links';
  /** Text may hold `{own}`, the host and port of `publicUrl`, and `{port}`, the port that the server listens on. */
  body: string | Buffer;
  /** Left out, `application/json` is sent; null: none is sent. */
  contentType?: string | null;
  expectStatus: number;
  /** The problem's `code`. */
  expectCode: string;
}

const GOOD_URL = 'https://example.com/';

function refusedAs(
  code: string,
  status: number,
  bodies: Readonly<Record<string, string | Buffer>>,
): HostileBody[] {
  return Object.entries(bodies).map(([name, body], i) => ({
    name,
    path: i % 2 === 0 ? '/v1/shorten' : '/v1/links',
    body,
    expectStatus: status,
    expectCode: code,
  }));
}

const urls = Object.entries(hostileUrls).flatMap(([code, byName]) => {
  const bodies = Object.entries(byName).map(([name, url]) => [name, JSON.stringify({ url })]);
  return refusedAs(code, 422, Object.fromEntries(bodies));
});

const brokenUrl = (...middle: number[]) =>
  Buffer.concat([Buffer.from('{"url":"https://example.com/'), Buffer.from(middle), Buffer.from('"}')]);

const brokenJson = refusedAs('json_malformed', 400, {
  'an empty body': '',
  'white space': ' \r\n\t ',
  'an open brace': '{',
  'a body cut off after a key': '{"url":',
  'a body cut off inside a string': '{"url":"https://example.com',
  'a brace too many': `{"url":"${GOOD_URL}"}}`,
  'two documents': `{"url":"${GOOD_URL}"}{"url":"${GOOD_URL}"}`,
  'a comma at the end': `{"url":"${GOOD_URL}",}`,
  'a comma at the start': `{,"url":"${GOOD_URL}"}`,
  'single quotes': `{'url':'${GOOD_URL}'}`,
  'a key without quotes': `{url:"${GOOD_URL}"}`,
  'a comment': `{"url":"${GOOD_URL}"/* yes */}`,
  'a form': `url=${encodeURIComponent(GOOD_URL)}`,
  'an XML document': `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><url>&b;</url>`,
  'not a number': `{"url":"${GOOD_URL}","ttl":NaN}`,
  'a number without end': `{"url":"${GOOD_URL}","ttl":Infinity}`,
  'an undefined value': `{"url":undefined}`,
  'a number with a zero before it': `{"url":"${GOOD_URL}","ttl":060}`,
  'a number with a plus': `{"url":"${GOOD_URL}","ttl":+60}`,
  'a hexadecimal number': `{"url":"${GOOD_URL}","ttl":0x3c}`,
  'a line end inside a string': '{"url":"https://example.com/\n"}',
  'a NUL inside a string': '{"url":"https://example.com/\u0000"}',
  'a NUL after the document': `{"url":"${GOOD_URL}"}\u0000`,
  'an escape that JSON does not know': '{"url":"https:\\x2f\\x2fexample.com"}',
  'an escape cut off': '{"url":"https://example.com/\\u00"}',
  'two byte order marks': `\ufeff\ufeff{"url":"${GOOD_URL}"}`,
  'a hundred thousand open brackets': '['.repeat(100_000),
  'a hundred thousand open objects': '{"url":'.repeat(100_000),
  'a byte that UTF-8 never has': brokenUrl(0xff),
  'a sequence of UTF-8 cut off': brokenUrl(0xe2, 0x82),
  'a slash in two bytes of UTF-8': brokenUrl(0xc0, 0xaf),
  'half of a surrogate pair in UTF-8': brokenUrl(0xed, 0xa0, 0x80),
  'a code point past Unicode': brokenUrl(0xf4, 0x90, 0x80, 0x80),
  'Latin-1': Buffer.from('{"url":"https://example.com/caf\u00e9"}', 'latin1'),
  'UTF-16': Buffer.from(`\ufeff{"url":"${GOOD_URL}"}`, 'utf16le'),
  'a gzip header': Buffer.from([0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03]),
});

const good = (more: string) => `{"url":"${GOOD_URL}",${more}}`;
const deep = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth);
const manyKeys = Array.from({ length: 40_000 }, (_, i) => `"k${i}":${i}`).join(',');

const misshapen = refusedAs('request_invalid', 400, {
  'no fields': '{}',
  'an array for a body': `["${GOOD_URL}"]`,
  'an array of bodies': `[{"url":"${GOOD_URL}"}]`,
  'a string for a body': `"${GOOD_URL}"`,
  'a number for a body': '1',
  'null for a body': 'null',
  'true for a body': 'true',
  'url null': '{"url":null}',
  'url a number': '{"url":1}',
  'url a boolean': '{"url":true}',
  'url an array': `{"url":["${GOOD_URL}"]}`,
  'url an object': `{"url":{"href":"${GOOD_URL}","toString":"x"}}`,
  'the key in capitals': `{"URL":"${GOOD_URL}"}`,
  'the key with a space': `{"url ":"${GOOD_URL}"}`,
  'an unknown field': good('"clicks":0'),
  'another unknown field': good('"workspaceId":"1"'),
  'an empty key': good('"":1'),
  __proto__: good('"__proto__":{"ttl":60}'),
  'url in __proto__': `{"__proto__":{"url":"${GOOD_URL}"}}`,
  constructor: good('"constructor":{"prototype":{"isAdmin":true}}'),
  'forty thousand unknown fields': good(manyKeys),
  'an array in itself, a hundred thousand times': deep(100_000, '[', ']'),
  'an object in itself, fifty thousand times': `${'{"url":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
  'a url in arrays, four hundred thousand times': `{"url":${deep(400_000, '[', ']')}}`,
  'ttl as text': good('"ttl":"60"'),
  'ttl null': good('"ttl":null'),
  'ttl true': good('"ttl":true'),
  'ttl an array': good('"ttl":[60]'),
  'ttl an object': good('"ttl":{"valueOf":60}'),
  'ttl zero': good('"ttl":0'),
  'ttl negative': good('"ttl":-1'),
  'ttl minus zero': good('"ttl":-0'),
  'ttl with a fraction': good('"ttl":1.5'),
  'ttl one second past ten years': good('"ttl":315360001'),
  'ttl 2^53 + 1': good('"ttl":9007199254740993'),
  'ttl 1e308': good('"ttl":1e308'),
  'ttl 1e999': good('"ttl":1e999'),
  'ttl -1e999': good('"ttl":-1e999'),
  'ttl of a thousand digits': good(`"ttl":${'9'.repeat(1000)}`),
});

function onLinks(code: string, status: number, bodies: Readonly<Record<string, string>>): HostileBody[] {
  return refusedAs(code, status, bodies).map((hostile) => ({ ...hostile, path: '/v1/links' }));
}

const fields = (name: string, values: readonly unknown[]) =>
  Object.fromEntries(
    values.map((value) => {
      const json = JSON.stringify(value);
      return [`${name} ${json.length > 40 ? `${json.slice(0, 40)}…` : json}`, good(`"${name}":${json}`)];
    }),
  );

const linkFields = [
  ...onLinks('request_invalid', 400, {
    ...fields('redirectStatus', [
      200,
      300,
      303,
      304,
      0,
      -302,
      302.5,
      1e308,
      '301',
      '',
      null,
      true,
      [302],
      {},
    ]),
    ...fields('alias', [null, 1234, true, ['abc'], { length: 5 }]),
    ...fields('expiresAt', [null, 1893456000, true, ['2030-01-01T00:00:00Z'], {}]),
  }),
  ...onLinks('alias_invalid', 422, {
    ...fields('alias', [
      '',
      'a',
      'ab',
      '-abc',
      '_abc',
      '__proto__',
      'a b c',
      'a/b',
      '../x',
      '../../etc/passwd',
      'abc/..',
    ]),
    ...fields('alias', [
      'a.b.c',
      'abc%2fdef',
      '%2e%2e%2f',
      'abc?d',
      'abc#d',
      'abc\n',
      'abc\r\nx: y',
      '\u0000abc',
      'äbc',
    ]),
    ...fields('alias', [
      'ａｂｃ',
      '💌💌💌',
      '\ud800abc',
      'abc\u202etxt',
      '<b>abc</b>',
      "abc'--",
      'x'.repeat(65),
      'y'.repeat(100_000),
    ]),
  }),
  ...onLinks(
    'alias_reserved',
    422,
    fields('alias', ['v1', 'V1', 'console', 'Console', 'DOCS', 'health', 'LiveZ', 'readyz']),
  ),
  ...onLinks(
    'alias_reserved',
    422,
    fields('alias', ['metrics', 'openapi.json', 'favicon.ico', '.well-known', 'Api', '-']),
  ),
  ...onLinks('expiry_invalid', 422, {
    ...fields('expiresAt', [
      '',
      'never',
      '2030',
      '2030-01-01',
      '2030-01-01T00:00:00',
      '2030-01-01 00:00:00Z',
      '1893456000',
    ]),
    ...fields('expiresAt', [
      '2030-02-30T00:00:00Z',
      '2030-02-29T00:00:00Z',
      '2030-13-01T00:00:00Z',
      '2030-01-01T24:00:00Z',
    ]),
    ...fields('expiresAt', ['2030-01-01T00:00:60Z', '2030-01-01T00:00:00+24:00', '2030-01-01T00:00:00+0100']),
    ...fields('expiresAt', [
      '2000-01-01T00:00:00Z',
      '0000-01-01T00:00:00Z',
      '1969-12-31T23:59:59Z',
      '9999-12-31T23:59:59-01:00',
    ]),
    ...fields('expiresAt', [
      '+275760-09-13T00:00:00Z',
      '10000-01-01T00:00:00Z',
      '2030-01-01T00:00:00Z\u0000',
      'Z'.repeat(100_000),
    ]),
    'ttl and expiresAt': good('"ttl":60,"expiresAt":"2030-01-01T00:00:00Z"'),
  }),
  ...refusedAs('request_invalid', 400, { 'an alias where none is taken': good('"alias":"abcdef"') }),
];

function ofType(contentType: string | null, body = good('"ttl":60')): HostileBody {
  const name = contentType === null ? 'no content type' : `content type ${contentType || 'empty'}`;
  return {
    name,
    path: '/v1/shorten',
    body,
    contentType,
    expectStatus: 415,
    expectCode: 'media_type_unsupported',
  };
}

const mediaTypes = [
  ...[
    null,
    'text/plain',
    'text/html',
    'application/xml',
    'application/vnd.api+json',
    'application/jsonp',
  ].map((type) => ofType(type)),
  ...['application/octet-stream', 'json', '*/*', 'application', ';', 'text/plain; application/json'].map(
    (type) => ofType(type),
  ),
  ofType('application/x-www-form-urlencoded', `url=${encodeURIComponent(GOOD_URL)}`),
  ofType(
    'multipart/form-data; boundary=x',
    `--x\r\nContent-Disposition: form-data; name="url"\r\n\r\n${GOOD_URL}\r\n--x--\r\n`,
  ),
];

/** 1.1 MiB. */
const TOO_LARGE_BYTES = 1_153_434;

const tooLarge = refusedAs('body_too_large', 413, {
  'valid JSON behind too much white space': good('"ttl":60').padStart(TOO_LARGE_BYTES),
  'a URL longer than a body': `{"url":"${GOOD_URL.padEnd(TOO_LARGE_BYTES, 'x')}"}`,
  'an alias longer than a body': good(`"alias":"${'a'.repeat(TOO_LARGE_BYTES)}"`),
  'a body of NULs': Buffer.alloc(TOO_LARGE_BYTES),
});

export const hostileBodies: readonly HostileBody[] = [
  ...urls,
  ...brokenJson,
  ...misshapen,
  ...linkFields,
  ...mediaTypes,
  ...tooLarge,
];
