/**
 * What this system gives to the tests of others: its corpora.
 */
import { readFileSync } from 'node:fs';

export { type HostileBody, hostileBodies } from './corpus/hostile-bodies.fixture.ts';

/** URLs as they occur in the world, one a line. */
export function readRealUrls(): string[] {
  const text = readFileSync(new URL('./corpus/real-urls.txt', import.meta.url), 'utf8');
  return text.split('\n').filter((line) => line !== '');
}
