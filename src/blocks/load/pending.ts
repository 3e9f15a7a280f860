/**
 * Requests that wait for a connection, in the order in which they arrived: a ring of fixed size.
 */
import type { LoadRequest } from './load.ts';

export interface Pending {
  readonly size: number;
  /** Of the one that has waited longest; infinite when none waits. */
  readonly firstIntendedMs: number;
  /** Of the same: by how much the generator was late to look at its arrival. */
  readonly firstLateMs: number;
  /** @returns false when there is no room */
  push(request: LoadRequest, intendedMs: number, lateMs: number): boolean;
  /** Removes the one that has waited longest; only while there is one. */
  shift(): LoadRequest;
}

export function createPending(max: number): Pending {
  const requests: (LoadRequest | undefined)[] = [];
  const times: number[] = [];
  const lates: number[] = [];
  let first = 0;
  let size = 0;

  return {
    get size() {
      return size;
    },
    get firstIntendedMs() {
      return size === 0 ? Number.POSITIVE_INFINITY : (times[first] ?? 0);
    },
    get firstLateMs() {
      return size === 0 ? 0 : (lates[first] ?? 0);
    },
    push(request, intendedMs, lateMs) {
      if (size >= max) return false;
      const at = (first + size) % max;
      requests[at] = request;
      times[at] = intendedMs;
      lates[at] = lateMs;
      size += 1;
      return true;
    },
    shift() {
      const request = requests[first] as LoadRequest;
      requests[first] = undefined;
      first = (first + 1) % max;
      size -= 1;
      return request;
    },
  };
}
