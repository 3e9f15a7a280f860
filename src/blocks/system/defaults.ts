/**
 * What a shape need not say: a route is strongly consistent, and refuses when it cannot reach the database.
 */
import type { Consistency } from '#blocks/database';

export type WhenPartitioned = 'refuse' | { staleMsMax: number };

interface Assured {
  consistency?: Consistency;
  whenPartitioned?: WhenPartitioned;
}

/** A shape that says everything. */
export type Complete<S extends Assured> = S & Required<Pick<S, 'consistency' | 'whenPartitioned'>>;

/** Fills in what the shape leaves out. */
export function completeShape<S extends Assured>(shape: S): Complete<S> {
  const { consistency = 'strong', whenPartitioned = 'refuse' } = shape;
  return { ...shape, consistency, whenPartitioned } as Complete<S>;
}
