/**
 * The first words of the server's own paths: no raw path of a system begins with one, and no short code is one. The
 * list can hardly grow, since somebody may have made the code by then. So later paths of the server go under `/-/`. A test of the
 * server holds the list against its routes.
 */

/** Answered today. */
const SERVED = [
  'v1',
  'docs',
  'openapi.json',
  'favicon.ico',
  'robots.txt',
  'health',
  'livez',
  'readyz',
  'metrics',
];

/** Not answered yet: later versions of the API, the console, and everything else. */
const KEPT = ['v2', 'v3', 'v4', 'v5', 'v6', 'v7', 'v8', 'v9', 'console', '-'];

export const OWN_PATHS: ReadonlySet<string> = new Set([...SERVED, ...KEPT]);
