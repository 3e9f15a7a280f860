export { limiterErrors } from './errors.ts';
export type { Decision } from './gcra.ts';
export { createLimiter, type Limiter, type LimiterDeps, type LimiterOptions } from './limiter.ts';
export { networkOf } from './network.ts';
export { type LimitOptions, limitOptions } from './options.ts';
