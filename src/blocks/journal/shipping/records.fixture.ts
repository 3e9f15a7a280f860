/**
 * Records as texts, and a table of Postgres that remembers their order. Used by other processes too, so without a test
 * runner.
 */
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { createMetrics, type Metrics } from '#base/metrics';
import { systemRandom } from '#base/random';
import { type Database, type Placement, sql } from '#blocks/database';
import type { JournalRecord } from '../files/frames.ts';
import type { ShipperOptions } from '../options.ts';
import type { Apply } from './shipment.ts';
import type { ShipperDeps } from './shipper.ts';

export const bytesOf = (text: string): Uint8Array => Buffer.from(text);

export function textsOf(records: readonly JournalRecord[]): string[] {
  return records.map(({ bytes }) => Buffer.from(bytes).toString());
}

export const placement: Placement = { system: 'test', workspaceId: '1', shardKey: 'clicks' };

export const shipperDefaults: ShipperOptions = {
  batchMax: 1000,
  lingerMs: 5,
  timeoutMs: 10_000,
  retryMsMax: 500,
};

/** Writes each record as a row of `run`, in their order. */
export function applyTo(run: string): Apply {
  return async (records, tx) => {
    await tx.run(sql`
      insert into core.journal_test_records (run, body)
      select ${run}, body from unnest(${textsOf(records)}::text[]) with ordinality as given (body, n) order by n`);
  };
}

/** What has been written as `run`, in the order of writing. */
export async function appliedTo({ core }: Database, run: string): Promise<string[]> {
  const rows = await core.rows<{ body: string }>(sql`
    select body from core.journal_test_records where run = ${run} order by place`);
  return rows.map(({ body }) => body);
}

/** The journals whose position the database knows, and that are not finished. */
export async function knownJournals({ core }: Database): Promise<string[]> {
  const rows = await core.rows<{ journal_id: string }>(
    sql`select journal_id from core.journal_offsets where finished_at is null`,
  );
  return rows.map(({ journal_id }) => journal_id);
}

export function shipperDeps(
  deps: Pick<ShipperDeps, 'journal' | 'database'> & Partial<ShipperDeps> & { run: string },
): ShipperDeps & { metrics: Metrics } {
  const { run, ...given } = deps;
  return {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    metrics: createMetrics(),
    placement,
    apply: applyTo(run),
    ...given,
  };
}
