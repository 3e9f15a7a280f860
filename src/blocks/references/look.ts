/**
 * Looks for dangling rows, page by page. A row counts as dangling when it is found so twice, and nothing was under way to
 * remove it between the two looks. No clock decides that: how long events take depends on the load.
 */
import type { Database, Reader } from '#blocks/database';
import type { Reference, ReferringRow } from './reference.ts';
import { findUnderWay } from './under-way.ts';

/** What a page has shown. */
export interface PageLook {
  rows: number;
  dangling: readonly ReferringRow[];
  /** Rows whose target is gone and whose removal is on its way. */
  underWay: number;
  /** Where the next page begins; undefined at the end. */
  next: string | undefined;
}

/** What all pages so far have shown. */
export interface Findings {
  readonly rows: number;
  readonly dangling: number;
  readonly underWay: number;
  /** The first ten that dangle. */
  readonly first: readonly ReferringRow[];
}

const FIRST_MAX = 10;

export const NOTHING_FOUND: Findings = { rows: 0, dangling: 0, underWay: 0, first: [] };

export function addLook(findings: Findings, { rows, dangling, underWay }: PageLook): Findings {
  return {
    rows: findings.rows + rows,
    dangling: findings.dangling + dangling.length,
    underWay: findings.underWay + underWay,
    first: [...findings.first, ...dangling].slice(0, FIRST_MAX),
  };
}

/** Those of the rows whose target is not there. */
async function withoutTarget(
  reader: Reader,
  { to }: Reference,
  rows: readonly ReferringRow[],
): Promise<ReferringRow[]> {
  const gone: ReferringRow[] = [];
  for (const [workspaceId, ofWorkspace] of Map.groupBy(rows, (row) => row.workspaceId)) {
    const wanted = [...new Set(ofWorkspace.map((row) => row.to))];
    const living = new Set(await to.living(reader, workspaceId, wanted));
    gone.push(...ofWorkspace.filter((row) => !living.has(row.to)));
  }
  return gone;
}

function isSame(a: ReferringRow, b: ReferringRow): boolean {
  return a.id === b.id && a.to === b.to && a.workspaceId === b.workspaceId;
}

export type Look = (
  reference: Reference,
  options: { after: string | undefined; limit: number; signal: AbortSignal },
) => Promise<PageLook>;

export function createLook({ database }: { database: Pick<Database, 'reader' | 'core'> }): Look {
  return async (reference, { after, limit, signal }) => {
    const reader = database.reader({ consistency: 'strong', role: 'system', signal });
    const rows = await reference.from.page(reader, after, limit);
    const next = rows.length < limit ? undefined : rows.at(-1)?.id;
    const suspects = await withoutTarget(reader, reference, rows);
    if (suspects.length === 0) return { rows: rows.length, dangling: [], underWay: 0, next };
    const underWay: ReadonlySet<ReferringRow> =
      reference.onDelete === 'cascade' ? await findUnderWay(database.core, reference, suspects) : new Set();
    // Between the first page and the question for the targets, both may have gone: hence the second look.
    const again = await reference.from.page(reader, after, limit);
    const left = suspects.filter((row) => !underWay.has(row) && again.some((other) => isSame(row, other)));
    const dangling = await withoutTarget(reader, reference, left);
    return { rows: rows.length, dangling, underWay: underWay.size, next };
  };
}
