/**
 * Where the embedded Postgres is: seen alike by the process that owns it (embedded.ts) and by those that have joined
 * (joined.ts).
 */
import type { Lifecycle } from '#base/lifecycle';

export interface PostgresAddress {
  /** The directory of the socket. */
  host: string;
  port: number;
  database: string;
}

export interface PostgresEngine extends Lifecycle {
  /**
   * Where the primary is now; connect as `SUPERUSER_NAME`, without a password. Valid once started. It changes when a
   * standby has been promoted, and then only once that one takes writes.
   */
  readonly address: PostgresAddress;
  /** Grows with each promotion, and changes together with `address`. */
  readonly term: number;
  /** Of the standbys that run and answer reads. */
  standbys(): readonly PostgresAddress[];
  /** Called when any of the above, or the health, may have changed. Returns the unsubscribe. */
  onChange(listener: () => void): () => void;
}
