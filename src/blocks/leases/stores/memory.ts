/**
 * The port in one process's memory, for tests and simulations. There is no transaction to hold back a taking, so the
 * fence only tells whether the lease is still held.
 */
import { leasesErrors } from '../errors.ts';
import type { Held, LeaseMark, LeaseStore } from '../store.ts';

/** Leases that last as long as the process. */
export function createMemoryLeases(): LeaseStore {
  const leases = new Map<string, LeaseMark>();

  function held({ name, epoch }: Held): LeaseMark | undefined {
    const lease = leases.get(name);
    return lease?.epoch === epoch ? lease : undefined;
  }

  return {
    async look(name) {
      const lease = leases.get(name);
      return lease && { ...lease };
    },
    async take(name, holder, seen) {
      const lease = leases.get(name);
      if (lease?.epoch !== seen?.epoch || lease?.beat !== seen?.beat) return undefined;
      const epoch = (lease?.epoch ?? 0) + 1;
      leases.set(name, { epoch, beat: 0, holder });
      return { name, epoch };
    },
    async beat(taken) {
      const lease = held(taken);
      if (lease) lease.beat += 1;
      return lease !== undefined;
    },
    async release(taken) {
      if (held(taken)) leases.set(taken.name, { epoch: taken.epoch + 1, beat: 0, holder: undefined });
    },
    async fence(_, taken) {
      if (!held(taken)) throw leasesErrors.lease_lost({ detail: `the lease ${taken.name} has been lost` });
    },
  };
}
