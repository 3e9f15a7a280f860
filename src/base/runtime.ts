/**
 * What a part of the server runs with, whatever it does: time, chance, and where it tells what happens. Deps say
 * `extends Runtime`, or take a part of it.
 */
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Random } from './random.ts';

export interface Runtime {
  clock: Clock;
  random: Random;
  log: Log;
}
