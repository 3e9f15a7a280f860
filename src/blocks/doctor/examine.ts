import type { Queryable } from '#blocks/database';
import { type DoctorLimits, diagnose } from './diagnose.ts';
import type { Finding } from './finding.ts';
import { observe } from './observations.ts';
import type { XminWatchOptions } from './options.ts';

/** What of the watch's options an examination goes by, too. */
export type ExamineOptions = Pick<XminWatchOptions, 'warnAgeMs' | 'warnAgeTransactions' | 'queryLengthMax'>;

/**
 * Asks Postgres how it is, and says what it finds, the worst first. Reads statistics and catalogs only, in eight statements.
 * @param core asked as `loadstone_system`
 * @throws database_unavailable, database_busy, and the signal's reason
 */
export async function examine(
  core: Queryable,
  options: ExamineOptions,
  signal: AbortSignal,
  limits?: DoctorLimits,
): Promise<Finding[]> {
  return diagnose(await observe(core, options.queryLengthMax, signal), options, limits);
}
