/**
 * Which primary this process may write to: the one of the highest term that it has seen.
 *
 * Every promotion begins a new timeline of Postgres's log, and that is the term. Each connection is asked for its own when
 * it opens. What belongs to a lower one is a primary that was replaced and does not know it (it had been stopped, or cut
 * off): its connections are closed, and a commit that it has answered is not believed.
 */
import { databaseErrors } from '../errors.ts';
import { type Sql, sql } from '../sql.ts';

/** What a server says of itself. */
export interface ServerIdentity {
  isStandby: boolean;
  /** The number that initdb has given the cluster; a replica has that of its primary. */
  cluster: string;
  /** Undefined for a standby, which cannot be asked. */
  term: number | null;
}

/** Any role may ask. */
export const IDENTITY: Sql<ServerIdentity> = sql`
  select pg_is_in_recovery() as "isStandby",
    (select system_identifier::text from pg_control_system()) as cluster,
    case when not pg_is_in_recovery()
      then ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer end as term`;

export interface PrimaryTerm {
  /** Gives the term of a connection that may be used. @throws database_unavailable for one that may not be */
  admit(identity: ServerIdentity): number;
  /** The highest that was seen. */
  current(): { cluster: string; term: number } | undefined;
  /** Whether a connection of this term is one of a primary that was replaced. */
  isPast(term: number | undefined): boolean;
}

function refuse(detail: string): never {
  throw databaseErrors.database_unavailable({ detail, retryAfterS: 1 });
}

export function createPrimaryTerm(): PrimaryTerm {
  let seen: { cluster: string; term: number } | undefined;
  return {
    admit({ isStandby, cluster, term }) {
      if (isStandby || term === null) refuse('the server named as primary is a standby: it was not promoted');
      if (seen && cluster !== seen.cluster)
        refuse('the server is another database cluster than the one before');
      if (seen && term < seen.term) {
        refuse(
          `the server is a primary that was replaced: it is at term ${term}, and term ${seen.term} has begun`,
        );
      }
      seen = { cluster, term };
      return term;
    },
    current: () => seen,
    isPast: (term) => term !== undefined && seen !== undefined && term < seen.term,
  };
}
