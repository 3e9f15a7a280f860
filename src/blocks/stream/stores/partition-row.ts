/**
 * A partition of a group as its table has it.
 */
import type { Bigint } from './rows.ts';

export interface PartitionRow {
  partition: number;
  holder: string | null;
  epoch: Bigint;
  position: Bigint;
  is_expired: boolean;
}

export const toState = (row: PartitionRow) => ({
  partition: row.partition,
  holder: row.holder ?? undefined,
  epoch: Number(row.epoch),
  position: row.position,
  isExpired: row.is_expired,
});
