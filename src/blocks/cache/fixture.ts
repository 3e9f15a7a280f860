/**
 * Traces of requests, made from a seed.
 */
import { seededRandom } from '#base/random';

export interface TraceOptions {
  seed: number;
  requests: number;
}

/** Ranks from 0, each as likely as 1 / (rank + 1) to the power of `exponent`. */
function createZipf(ranks: number, exponent: number): (fraction: number) => number {
  const sums = new Float64Array(ranks);
  let sum = 0;
  for (let rank = 0; rank < ranks; rank++) {
    sum += (rank + 1) ** -exponent;
    sums[rank] = sum;
  }
  return (fraction) => {
    const wanted = fraction * sum;
    let low = 0;
    let high = ranks - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Zipf 0.9 over 50,000 keys; of 10,000 requests 2,000 in a row go once through keys that never come again. */
export function zipfWithScans({ seed, requests }: TraceOptions): string[] {
  const random = seededRandom(seed);
  const zipf = createZipf(50_000, 0.9);
  return Array.from({ length: requests }, (_, at) =>
    at % 10_000 < 2000 ? `scan ${at}` : `key ${zipf(random.fraction())}`,
  );
}

/** A quarter of the requests is new; others ask again for what was asked for some `reach` requests ago. Nothing is popular for long. */
export function recency({ seed, requests }: TraceOptions, reach: number): string[] {
  const random = seededRandom(seed);
  const keys: string[] = [];
  for (let at = 0; at < requests; at++) {
    const back = 1 + Math.floor(-Math.log(1 - random.fraction()) * reach);
    const isNew = random.fraction() < 0.25 || back > at;
    keys.push(isNew ? `new ${at}` : (keys[at - back] as string));
  }
  return keys;
}
