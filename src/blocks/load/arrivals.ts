/**
 * When requests arrive: pure but for the dice, so that a seed gives the same schedule again.
 */
import type { Random } from '#base/random';
import type { LoadOptions } from './load-shape.ts';

export interface Arrivals {
  /** When the next one arrives, in milliseconds since the load began; infinite when there is none. */
  readonly nextMs: number;
  /** Goes on to the one after it. */
  advance(): void;
}

type Schedule = Pick<LoadOptions, 'arrivals' | 'ratePerS' | 'durationMs'>;

/**
 * The arrivals of one load. `uniform`: the first at once, then one each 1/rate. `poisson`: exponential gaps, so that the
 * number within any time is Poisson-distributed, as that of requests of many independent users is.
 */
export function createArrivals({ arrivals, ratePerS, durationMs }: Schedule, random: Random): Arrivals {
  const gapMs = 1000 / ratePerS;
  let taken = 0;
  let nextMs = arrivals === 'uniform' ? 0 : drawGap();

  function drawGap(): number {
    return -Math.log(1 - random.fraction()) * gapMs;
  }

  return {
    get nextMs() {
      return nextMs < durationMs ? nextMs : Number.POSITIVE_INFINITY;
    },
    advance() {
      taken += 1;
      // Multiplied rather than added up, so that rounding does not make the schedule drift.
      nextMs = arrivals === 'uniform' ? taken * gapMs : nextMs + drawGap();
    },
  };
}
