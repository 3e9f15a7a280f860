/**
 * What both sides of a reference ask in their mutations. Each locks first and reads then, both in one burst: so within one
 * database a deletion either sees the row that has come to refer, or that row's writer sees the deletion.
 */
import type { Queryable } from '#blocks/database';
import { referencesErrors } from './errors.ts';
import type { GuardedReference, Reference } from './reference.ts';
import { lockTargets } from './target-locks.ts';

/** Referring rows that a refusal names. */
const NAMED_MAX = 5;

export interface Guards {
  /**
   * For who deletes, in its transaction: refuses while a reference that restricts it leads to any of the targets. At most
   * 100 of them. @throws reference_held
   */
  assertFree(tx: Queryable, system: string, workspaceId: string, ids: readonly string[]): Promise<void>;
  /**
   * For who comes to refer, in its transaction, whether by a new row or a changed one; before or after its write. At most
   * 100 targets. @throws reference_target_missing, reference_unknown
   */
  assertLiving(tx: Queryable, name: string, workspaceId: string, ids: readonly string[]): Promise<void>;
}

function listed(ids: readonly string[]): string {
  const named = ids.slice(0, NAMED_MAX).join(', ');
  return ids.length > NAMED_MAX ? `${named} and others` : named;
}

/** @throws reference_unknown */
export function findReference(declared: readonly Reference[], name: string): Reference {
  const reference = declared.find((each) => each.name === name);
  if (reference) return reference;
  throw referencesErrors.reference_unknown({ detail: `no reference ${name}` });
}

export function createGuards(declared: readonly Reference[]): Guards {
  async function refuseHeld(
    { name, from }: GuardedReference,
    tx: Queryable,
    workspaceId: string,
    ids: readonly string[],
  ): Promise<void> {
    const rows = await from.of(tx, workspaceId, ids, NAMED_MAX + 1);
    if (rows.length === 0) return;
    const detail = `${name}: referred to by ${listed(rows.map(({ id }) => id))} of ${from.system}`;
    throw referencesErrors.reference_held({ detail });
  }

  return {
    async assertFree(tx, system, workspaceId, ids) {
      const restricting = declared.flatMap((each) =>
        each.onDelete === 'restrict' && each.to.system === system ? [each] : [],
      );
      if (restricting.length === 0 || ids.length === 0) return;
      const locked = lockTargets(tx, 'exclusive', { system, workspaceId, ids });
      await Promise.all([locked, ...restricting.map((each) => refuseHeld(each, tx, workspaceId, ids))]);
    },

    async assertLiving(tx, name, workspaceId, ids) {
      const { to, onDelete } = findReference(declared, name);
      const wanted = [...new Set(ids)];
      if (wanted.length === 0) return;
      const targets = { system: to.system, workspaceId, ids: wanted };
      // A reference that is kept may dangle in any case: nothing has to wait for it.
      const locked = onDelete === 'keep' ? undefined : lockTargets(tx, 'shared', targets);
      const [living] = await Promise.all([to.living(tx, workspaceId, wanted), locked]);
      const missing = wanted.filter((id) => !living.includes(id));
      if (missing.length === 0) return;
      const detail = `${name}: ${listed(missing)} not there in ${to.system}`;
      throw referencesErrors.reference_target_missing({ detail });
    },
  };
}
