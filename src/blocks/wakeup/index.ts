export { createLookInterval, type LookInterval } from './look-interval.ts';
export { type WakeupOptions, wakeupOptions } from './options.ts';
export { createWakeups, type News, noWakeups, type Subject, type Wakeups } from './wakeups.ts';
