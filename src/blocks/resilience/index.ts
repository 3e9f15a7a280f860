export {
  type Breaker,
  type BreakerDeps,
  type BreakerState,
  type CallOutcome,
  createBreaker,
  type Pass,
} from './breaker.ts';
export { type Bulkhead, type BulkheadDeps, createBulkhead } from './bulkhead.ts';
export { resilienceErrors } from './errors.ts';
export { type BreakerOptions, type BulkheadOptions, breakerOptions, bulkheadOptions } from './options.ts';
