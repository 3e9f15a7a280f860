/**
 * Which refusals are of the command line: those of an option that a flag has set. They end with exit status 2, as an unknown
 * flag does; the same value in the environment or in a file ends with 1.
 */
import { isLoadstoneError } from '#base/errors';

/** How the refusal of a flag's value begins: with the path of its option. */
const PATHS: Record<string, string> = {
  publicUrl: 'publicUrl',
  database: 'database.primary',
  logLevel: 'log.level',
  logFormat: 'log.format',
};
/** A module that is there and cannot be loaded is no fault of the flag that names it. */
const NAMES_NOTHING = /is not known|has no module|is named twice/;

const faults = new WeakSet<Error>();

/** Notes it, and gives the error back. */
export function noteFault(error: unknown, flags: Readonly<Record<string, unknown>>): unknown {
  if (!isLoadstoneError(error)) return error;
  const isOfSystem = error.code === 'system_invalid' && NAMES_NOTHING.test(error.message);
  if (error.code !== 'option_invalid' && !isOfSystem) return error;
  const isFault = Object.entries(flags).some(([flag, value]) => {
    const path = PATHS[flag] ?? flag;
    return value !== undefined && new RegExp(`^${path}(\\.\\d+)?:`).test(error.message);
  });
  if (isFault) faults.add(error);
  return error;
}

export const isFlagFault = (error: unknown): boolean => error instanceof Error && faults.has(error);
