/**
 * The first words of the server's own paths: what no raw path of a system may begin with. A test of the server holds them
 * against its routes.
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
/** Kept for what comes: later paths of the server go under `/-/`. */
const KEPT = ['console', '-'];

export const OWN_PATHS: ReadonlySet<string> = new Set([...SERVED, ...KEPT]);
