import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prefersHtml } from './accept.ts';

test('browsers get pages, programs do not', () => {
  const cases: [string | undefined, boolean][] = [
    // Chrome, Firefox, Safari; an old Internet Explorer; a link preview.
    [
      'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
      true,
    ],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
    ['text/html, application/xhtml+xml, */*', true],
    ['text/html', true],
    ['TEXT/HTML', true],
    ['text/*', true],
    // curl, fetch, Go, axios; none.
    ['*/*', false],
    [undefined, false],
    ['', false],
    ['application/json, text/plain, */*', false],
    ['application/json', false],
    ['application/problem+json', false],
    ['image/png', false],
    ['text/plain', false],
  ];
  for (const [accept, expected] of cases) assert.equal(prefersHtml(accept), expected, accept);
});

test('weights decide, by the range that says most', () => {
  const cases: [string, boolean][] = [
    ['text/html;q=0.5, application/json', false],
    ['text/html, application/json;q=0.5', true],
    ['text/html;q=0.9, application/json;q=0.8', true],
    ['text/html; q=0.8 , application/problem+json; q=0.9', false],
    ['text/html, application/json', false],
    ['text/html;q=0', false],
    ['text/html;q=0.000, */*', false],
    ['*/*, text/html;q=0', false],
    ['text/*;q=0.9, text/html;q=0.1, application/json;q=0.5', false],
    ['text/html;q=0.1, */*;q=0.5', false],
    ['text/html;q=0.5, */*;q=0.5', true],
    ['text/html;level="1,2";q=0, */*', false],
    ['text/html;a="\\",b";q=0.3, application/json;q=0.2', true],
    ['text/html;q=2, application/json;q=0.9', true],
    ['text/html;Q=0.1, application/json;q=0.2', false],
    [', ,text/html', true],
    ['x-text/html', false],
    ['text/htmlx', false],
    ['__proto__, text/constructor', false],
  ];
  for (const [accept, expected] of cases) assert.equal(prefersHtml(accept), expected, accept);
});

test('a long header takes time in proportion', () => {
  // Quadratic, these would take minutes.
  for (const piece of ['"\\"', '"', '\\', ',', ';', 'text/html;q=0.1,'])
    assert.equal(typeof prefersHtml(`text/html${piece.repeat(1_000_000)}`), 'boolean');
});
