/**
 * The bounds of lists.
 */

/** How many items a page has, unless the list says otherwise. */
export const PAGE_LIMITS = { limitDefault: 20, limitMax: 100 } as const;

/** Longest text that a list can be ordered by, in bytes of UTF-8: it travels in each cursor. */
export const KEY_BYTES_MAX = 1000;

/** Longest cursor: two such texts in base64, and what is beside them. */
export const CURSOR_CHARS_MAX = 2800;
