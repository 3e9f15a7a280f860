/**
 * What `loadstone calibrate` measures of a system on a machine: some items are made, and then its routes are loaded at
 * several concurrencies and rates.
 */
import type { RouteName } from '#blocks/plan';
import type { DrillAnswer, DrillRequest } from './drill.ts';

export interface SystemCalibration {
  /** Its options in loadstone.yaml meanwhile. */
  options?: Readonly<Record<string, unknown>>;
  /** Makes the items. @param n counts from 0 */
  prepare(n: number): DrillRequest;
  /** What requests need of an item, by the answer that was given for it; undefined for one that is of no use. */
  keep(answer: DrillAnswer): CalibrationItem | undefined;
  /** By name. A name that is one of an operation in the system's model says what that operation takes. */
  measures: Readonly<Record<string, CalibrationMeasure>>;
}

export type CalibrationItem = Readonly<Record<string, string>>;

export type CalibrationMeasure = {
  /** For plans: what this says of its kind of request is taken for that of every system. */
  standsFor?: RouteName;
} & (
  | {
      /** Sent in turn, over and over. */
      reads(items: readonly CalibrationItem[]): readonly DrillRequest[];
    }
  | {
      /** Each under a new Idempotency-Key. @param n counts from 0 */
      write(n: number): DrillRequest;
    }
);
