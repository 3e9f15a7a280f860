import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readUrl, type UrlKind } from './url.ts';

const urlOf = (text: string, kind: UrlKind = 'origin') => {
  const reading = readUrl(text, kind);
  return 'url' in reading ? reading.url : assert.fail(`${JSON.stringify(text)}: ${reading.problem}`);
};
const problemOf = (text: string, kind: UrlKind = 'origin') => {
  const reading = readUrl(text, kind);
  return 'problem' in reading ? reading.problem : assert.fail(`${JSON.stringify(text)} is taken`);
};

test('an origin is kept in its normal form', () => {
  const cases = [
    ['https://go.example.com', 'https://go.example.com'],
    ['HTTPS://Go.Example.COM', 'https://go.example.com'],
    ['https://go.example.com/', 'https://go.example.com'],
    ['https://go.example.com:443/', 'https://go.example.com'],
    ['http://go.example.com:80', 'http://go.example.com'],
    ['https://go.example.com:80', 'https://go.example.com:80'],
    ['https://go.example.com:', 'https://go.example.com'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['https://例え.テスト:8443', 'https://xn--r8jz45g.xn--zckzah:8443'],
    ['http://[::1]:8080', 'http://[::1]:8080'],
    ['http://[0:0::1]', 'http://[::1]'],
    ['http://127.1:8080', 'http://127.0.0.1:8080'],
  ] as const;
  for (const [text, expected] of cases) assert.equal(urlOf(text), expected, text);
});

test('what the parser would mend, and what an origin cannot have, is refused with what it is', () => {
  const cases: [string, RegExp][] = [
    ['https://x.example\r', /control character \(U\+000D\) at its end/],
    ['https://x.example\n', /control character \(U\+000A\) at its end/],
    ['https://x.ex\tample', /control character \(U\+0009\) in it/],
    ['\u0000https://x.example', /control character \(U\+0000\) at its start/],
    [' https://x.example', /space \(U\+0020\) at its start/],
    ['https://x.example ', /space \(U\+0020\) at its end/],
    ['https://x.example\u00a0', /space \(U\+00A0\) at its end/],
    ['\ufeffhttps://x.example', /space \(U\+FEFF\) at its start/],
    ['https://x.exam\u200bple', /space \(U\+200B\) in it/],
    ['https://x.example\\', /backslash/],
    ['https:\\\\x.example', /backslash|host/],
    ['https:x.example', /no host/],
    ['https:/x.example', /no host/],
    ['https:///x.example', /no host/],
    ['https://', /no host/],
    ['x.example', /scheme/],
    ['', /scheme/],
    ['ftp://x.example', /scheme/],
    ['javascript://x.example', /scheme/],
    ['https://user:password@x.example', /credentials/],
    ['https://@x.example', /credentials/],
    ['https://x.example/go', /path/],
    ['https://x.example//', /path/],
    ['https://x.example?', /query/],
    ['https://x.example/?a=1', /query/],
    ['https://x.example#', /fragment/],
    ['https://x.example:99999', /host or port/],
    ['https://x.example:0', /port 0/],
    ['https://a..b:x', /host or port/],
    ['http://999.1.1.1', /host or port/],
  ];
  for (const [text, problem] of cases) assert.match(problemOf(text), problem, JSON.stringify(text));
});

test('a base may have a path; a Postgres address credentials, a path and parameters', () => {
  assert.equal(urlOf('http://h:4318/', 'base'), 'http://h:4318');
  assert.equal(urlOf('HTTPS://H.example/otlp/a/', 'base'), 'https://h.example/otlp/a');
  assert.match(problemOf('http://h/?key=1', 'base'), /query/);
  assert.match(problemOf('http://h/a#b', 'base'), /fragment/);
  assert.match(problemOf('http://u:p@h', 'base'), /credentials/);
  for (const text of [
    'postgres://u:p@h:5432/d?sslmode=require',
    'postgresql://u@/d?host=/run/pg',
    'postgres://%2Frun/d',
    'postgres://u:a\\b@h/d',
  ])
    assert.equal(urlOf(text, 'postgres'), text);
  for (const text of [
    'postgres://u:p@h/d\r',
    'postgres:u@h/d',
    'mysql://h/d',
    'postgres://h/d#x',
    'postgres://u:p q@h/d',
  ])
    problemOf(text, 'postgres');
});

test('property: a normal form is its own normal form, and is what the parser says of it', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.webUrl(), fc.string({ unit: 'binary' }), fc.webUrl({ validSchemes: ['http', 'HTTPS'] })),
      (text) => {
        const reading = readUrl(text, 'base');
        if (!('url' in reading)) return;
        assert.deepEqual(readUrl(reading.url, 'base'), reading);
        assert.match(reading.url, /^https?:\/\/[\x21-\x7e]+$/);
        const url = new URL(reading.url);
        assert.deepEqual([url.username, url.password, url.search, url.hash], ['', '', '', '']);
      },
    ),
  );
});
