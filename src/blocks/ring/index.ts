export { type BoundedLoad, createBoundedLoad } from './bounded-load.ts';
export { ringErrors } from './errors.ts';
export { hash32 } from './hash.ts';
export { type BoundedLoadOptions, boundedLoadOptions, type RingOptions, ringOptions } from './options.ts';
export type { Ring, RingAlgorithm, RingNode } from './placement.ts';
export { createRing } from './ring.ts';
