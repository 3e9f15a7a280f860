/**
 * Locks on what is referred to. They make up for a foreign key's own: who comes to refer holds the target's lock shared
 * until its commit, who deletes it or clears up after it holds it exclusively. Where the system keeps no row of the target
 * (it may be in another schema, and not to be locked from outside) there is still this lock.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type Queryable, sql } from '#blocks/database';

export interface Targets {
  system: string;
  workspaceId: string;
  ids: readonly string[];
}

/** Each lock is an entry in a table that Postgres shares among all sessions: some 6,400 of them by default. */
export const TARGETS_MAX = 100;

/** 64 bits for each target, in one order for all, so that two who lock several never wait for each other in a circle. */
export function lockKeys({ system, workspaceId, ids }: Targets): string[] {
  const keys = new Set(
    ids.map((id) => {
      const name = JSON.stringify(['reference', system, workspaceId, id]);
      return createHash('sha256').update(name).digest().readBigInt64BE(0);
    }),
  );
  return [...keys].sort((a, b) => (a < b ? -1 : 1)).map(String);
}

/**
 * Locks the targets until the transaction ends. What is to be true while they are locked must be read by statements
 * sent after this one: those see what the lock has waited for.
 */
export async function lockTargets(
  tx: Queryable,
  mode: 'shared' | 'exclusive',
  targets: Targets,
): Promise<void> {
  assert(targets.ids.length <= TARGETS_MAX, `at most ${TARGETS_MAX} targets at once`);
  const keys = lockKeys(targets);
  await tx.run(
    mode === 'shared'
      ? sql`select pg_advisory_xact_lock_shared(key) from unnest(${keys}::bigint[]) as key`
      : sql`select pg_advisory_xact_lock(key) from unnest(${keys}::bigint[]) as key`,
  );
}
