/**
 * What processes tell each other of.
 */

/** `outbox`: events wait for the relay. `log`: streams have grown. `jobs`: jobs are ready, or scheduled for soon. */
export type Subject = 'outbox' | 'log' | 'jobs';

/** What exactly is new, such as the position of each stream that grew; undefined when that is not known. */
export type News = ReadonlyMap<string, string> | undefined;
