/**
 * The server's own paths by their first words, and which of them are the API's.
 */
import { OWN_PATHS } from '#blocks/system';

const VERSIONED = /^\/v[1-9](?:\/|$)/;

/** Whether a path's first word is the server's, a version of the API included. */
export function isOwnWord(word: string): boolean {
  return OWN_PATHS.has(word);
}

/** Whether an address is one of the API: `/v1/…`, `/v2/…`. */
export function isVersioned(url: string): boolean {
  return VERSIONED.test(url);
}
