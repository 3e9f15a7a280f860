/**
 * Requests that wait for a connection, in the order in which they arrived: a ring of fixed size.
 */
import type { Arrival } from './connection.ts';

export interface Pending {
  readonly size: number;
  /** Of the one that has waited longest; infinite when none waits. */
  readonly firstIntendedMs: number;
  /** @returns false when there is no room */
  push(arrival: Arrival): boolean;
  /** Removes the one that has waited longest; only while there is one. */
  shift(): Arrival;
}

export function createPending(max: number): Pending {
  const arrivals: (Arrival | undefined)[] = [];
  let first = 0;
  let size = 0;

  return {
    get size() {
      return size;
    },
    get firstIntendedMs() {
      return arrivals[first]?.intendedMs ?? Number.POSITIVE_INFINITY;
    },
    push(arrival) {
      if (size >= max) return false;
      arrivals[(first + size) % max] = arrival;
      size += 1;
      return true;
    },
    shift() {
      const arrival = arrivals[first] as Arrival;
      arrivals[first] = undefined;
      first = (first + 1) % max;
      size -= 1;
      return arrival;
    },
  };
}
