import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { ownHosts, parseDestination, URL_BYTES_MAX } from '../fields/destination.ts';

const text = readFileSync(new URL('./real-urls.txt', import.meta.url), 'utf8');
const urls = text.split('\n').slice(0, -1);
const own = ownHosts('http://127.0.0.1:8080', ['127.0.0.1:8080']);

const SCRIPTS = [
  ...[
    'Arabic',
    'Armenian',
    'Bengali',
    'Cherokee',
    'Cyrillic',
    'Devanagari',
    'Ethiopic',
    'Georgian',
    'Gothic',
  ],
  ...['Greek', 'Gujarati', 'Gurmukhi', 'Han', 'Hangul', 'Hebrew', 'Hiragana', 'Kannada', 'Katakana', 'Khmer'],
  ...['Lao', 'Malayalam', 'Myanmar', 'Sinhala', 'Tamil', 'Telugu', 'Thai', 'Tibetan'],
];

suite('real URLs', () => {
  test('are at least a thousand, each on a line of its own, none twice', () => {
    assert(text.endsWith('\n') && !text.includes('\r') && text.isWellFormed());
    assert(urls.length >= 1000 && urls.every((url) => url !== ''));
    assert.equal(new Set(urls).size, urls.length);
    assert(new Set(urls.map((url) => new URL(url).href)).size >= 1000);
  });

  test('are all taken, and sent as the WHATWG rules normalise them', () => {
    for (const url of urls) {
      const normal = parseDestination(url, own);
      assert.equal(normal, new URL(url).href);
      assert.equal(parseDestination(normal, own), normal);
    }
  });

  test('are of every kind', () => {
    const parsed = urls.map((url) => new URL(url));
    const hosts = parsed.map((url) => url.hostname);
    const topLevels = hosts.map((host) => host.split('.').at(-1) ?? '');
    const counts: Record<string, [found: number, least: number]> = {
      'international hosts': [hosts.filter((host) => host.includes('xn--')).length, 100],
      'international top-level domains': [
        new Set(topLevels.filter((name) => name.startsWith('xn--'))).size,
        30,
      ],
      'hosts in all': [new Set(hosts).size, 600],
      'emoji hosts': [urls.filter((url) => /^https:\/\/[^/]*\p{Extended_Pictographic}/u.test(url)).length, 8],
      'IPv4 hosts': [hosts.filter((host) => /^\d+(\.\d+){3}$/.test(host)).length, 20],
      'IPv6 hosts': [hosts.filter((host) => host.startsWith('[')).length, 8],
      'hosts of one label': [hosts.filter((host) => /^[a-z]+$/.test(host)).length, 10],
      ports: [parsed.filter((url) => url.port !== '').length, 40],
      queries: [parsed.filter((url) => url.search !== '').length, 500],
      'long queries': [parsed.filter((url) => url.searchParams.size >= 5).length, 90],
      fragments: [parsed.filter((url) => url.hash !== '').length, 200],
      'text fragments': [urls.filter((url) => url.includes(':~:text=')).length, 8],
      'outside ASCII': [urls.filter((url) => /[^\x00-\x7f]/.test(url)).length, 350],
      'changed by the parser': [urls.filter((url) => new URL(url).href !== url).length, 400],
      'over 2000 bytes': [parsed.filter((url) => url.href.length > 2000).length, 15],
      'of the greatest length': [parsed.filter((url) => url.href.length === URL_BYTES_MAX).length, 2],
    };
    for (const [kind, [found, least]] of Object.entries(counts)) {
      assert(found >= least, `${kind}: ${found}, not ${least}`);
    }
    for (const script of SCRIPTS) assert.match(text, new RegExp(`\\p{Script=${script}}`, 'u'), script);
  });
});
