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
  // The same one, by which a shape and its route are known to belong together.
  if (consistency === shape.consistency && whenPartitioned === shape.whenPartitioned)
    return shape as Complete<S>;
  return { ...shape, consistency, whenPartitioned } as Complete<S>;
}
