/**
 * The server's own paths, by their first words: no system has them, and no parameter stands for them. The versions that the
 * API may come to have are among them; no short link has two characters.
 */
export const OWN_WORDS: ReadonlySet<string> = new Set([
  'docs',
  'console',
  '-',
  ...Array.from({ length: 9 }, (_, index) => `v${index + 1}`),
  'openapi.json',
  'favicon.ico',
  'robots.txt',
  'health',
  'livez',
  'readyz',
  'metrics',
]);

const VERSIONED = /^\/v[1-9](?:\/|$)/;

/** Whether a path's first word is the server's, a version of the API included. */
export function isOwnWord(word: string): boolean {
  return OWN_WORDS.has(word);
}

/** Whether an address is one of the API: `/v1/…`, `/v2/…`. */
export function isVersioned(url: string): boolean {
  return VERSIONED.test(url);
}
