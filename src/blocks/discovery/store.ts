/**
 * The port: who lives. There is one engine so far, Postgres.
 */
import type { Queryable } from '#blocks/database';
import { sql } from '#blocks/database';

/** `starting` and `draining` processes answer no new requests. */
export type ProcessState = 'starting' | 'serving' | 'draining';

/** What a process says of itself. */
export interface ProcessDescription {
  role: string;
  systems: readonly string[];
  /** `host:port` that it listens on; undefined as long as it does not. */
  address: string | undefined;
  version: string;
  state: ProcessState;
}

export interface ProcessIdentity {
  /** Unique for ever: a restarted process is another one. */
  processId: string;
  host: string;
  pid: number;
}

export interface ProcessEntry extends ProcessIdentity, ProcessDescription {
  startedAt: Date;
  /** Since it was last heard of. */
  silentMs: number;
}

export interface RegistryStore {
  /** Says that the process lives. Repeated, it renews; a row that has been forgotten is written anew. */
  beat(identity: ProcessIdentity, description: ProcessDescription): Promise<void>;
  /** The process has ended. */
  remove(processId: string): Promise<void>;
  /** Removes those silent for longer. */
  forget(silentMs: number): Promise<void>;
  /** All that are not forgotten, the oldest first. */
  list(): Promise<ProcessEntry[]>;
}

interface Row {
  process_id: string;
  host: string;
  pid: number;
  role: string;
  state: ProcessState;
  systems: string[];
  address: string | null;
  version: string;
  started_at: Date;
  silent_ms: number;
}

const fromRow = (row: Row): ProcessEntry => ({
  processId: row.process_id,
  host: row.host,
  pid: row.pid,
  role: row.role,
  state: row.state,
  systems: row.systems,
  address: row.address ?? undefined,
  version: row.version,
  startedAt: row.started_at,
  silentMs: row.silent_ms,
});

/** @param core queries as the role `system` */
export function createPostgresRegistry(core: Queryable): RegistryStore {
  return {
    async beat({ processId, host, pid }, { role, systems, address, version, state }) {
      await core.run(sql`
        insert into core.processes (process_id, host, pid, role, state, systems, address, version)
        values (${processId}, ${host}, ${pid}, ${role}, ${state}, ${[...systems]}::text[], ${address ?? null}, ${version})
        on conflict (process_id) do update set
          state = excluded.state, address = excluded.address, seen_at = now()`);
    },
    async remove(processId) {
      await core.run(sql`delete from core.processes where process_id = ${processId}`);
    },
    async forget(silentMs) {
      await core.run(sql`
        delete from core.processes where seen_at < now() - make_interval(secs => ${silentMs / 1000}::float8)`);
    },
    async list() {
      const rows = await core.rows<Row>(sql`
        select process_id, host, pid, role, state, systems, address, version, started_at,
          greatest(0, extract(epoch from now() - seen_at) * 1000)::float8 as silent_ms
        from core.processes order by started_at, process_id`);
      return rows.map(fromRow);
    },
  };
}
