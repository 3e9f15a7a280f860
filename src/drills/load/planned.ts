/**
 * What the load does next, and on what.
 */
import type { DrillOperation } from '#blocks/system';
import type { DrilledSystem } from '../drilled-systems.ts';

/** Something that the drill has asked a system for. */
export interface Item {
  system: DrilledSystem;
  /** Names its register in the history. */
  key: string;
  idempotencyKey: string;
  /** What its creation writes. */
  value: string;
  /** How it is created. */
  by: DrillOperation;
  /** Every id that an answer has given for the one key; more than one is a fault. */
  ids: Set<string>;
  remembered: Readonly<Record<string, string>>;
}

export interface Planned {
  system: DrilledSystem;
  operation: DrillOperation;
  /** Undefined for what is about none. */
  item: Item | undefined;
  /** What a write writes; undefined for a removal. */
  value: string | undefined;
}
