/**
 * The server's own paths, by their first words: no system has them, and no parameter stands for them.
 */
const OWN_WORDS = new Set([
  'docs',
  'console',
  '-',
  'openapi.json',
  'favicon.ico',
  'robots.txt',
  'health',
  'livez',
  'readyz',
  'metrics',
]);

/** The versions that the API may come to have; no short link has two characters. */
const VERSION = /^v[1-9]$/;
const VERSIONED = /^\/v[1-9](?:\/|$)/;

/** Whether a path's first word is the server's, a version of the API included. */
export function isOwnWord(word: string): boolean {
  return (word.length === 2 && VERSION.test(word)) || OWN_WORDS.has(word);
}

/** Whether an address is one of the API: `/v1/…`, `/v2/…`. */
export function isVersioned(url: string): boolean {
  return VERSIONED.test(url);
}
