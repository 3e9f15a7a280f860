export { createLookInterval, type LookInterval } from './look-interval.ts';
export { type WakeupOptions, wakeupOptions } from './options.ts';
export type { News, Subject } from './subject.ts';
export { createWakeups, noWakeups, type Wakeups } from './wakeups.ts';
