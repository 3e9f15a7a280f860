/**
 * The port: named leases with a fence. There is no time in it. A holder beats; who wants the lease watches the beat, and
 * may take the lease when the beat has stood still for long enough by its own clock. So no two clocks are compared.
 *
 * A memory engine (tests, simulations) and a Postgres engine pass store.suite.ts.
 */
import type { Queryable } from '#blocks/database';

/** What is known of a lease: `beat` changes while its holder lives, `epoch` whenever it is taken or given back. */
export interface LeaseMark {
  epoch: number;
  beat: number;
  /** Who holds it, for people; undefined when it is free. */
  holder: string | undefined;
}

/** A lease that has been taken, as long as `epoch` is still the lease's own. */
export interface Held {
  readonly name: string;
  readonly epoch: number;
}

export interface LeaseStore {
  /** Undefined for a lease that has never been taken. */
  look(name: string): Promise<LeaseMark | undefined>;
  /**
   * Takes the lease and raises its epoch, if it is still as it was `seen`. Atomic: of several at once one gets it. The
   * caller has judged that it is free, or that its holder is dead. Undefined when it has changed since.
   */
  take(name: string, holder: string, seen: LeaseMark | undefined): Promise<Held | undefined>;
  /** Moves the beat. False, and no effect, when the epoch has moved on. Safe to repeat. */
  beat(held: Held): Promise<boolean>;
  /** Frees the lease and raises its epoch, so that whatever is still under way is fenced off. */
  release(held: Held): Promise<void>;
  /**
   * Inside a transaction of the database that has the leases: makes sure that the lease is still held, and keeps it from
   * being taken until the transaction has ended. Everything else in the transaction then has an effect only under the
   * lease. To be sent first, so that the statements after it see all that earlier holders have committed.
   * @throws lease_lost
   */
  fence(tx: Queryable, held: Held): Promise<void>;
}
