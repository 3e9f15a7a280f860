import { readFileSync } from 'node:fs';

/** The version of this package; two directories up both in the source tree and in the published one. */
export const VERSION: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version;
