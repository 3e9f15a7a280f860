/**
 * Whether a SIGHUP means that the terminal has gone, or that somebody has sent one. A terminal that hangs up is taken
 * from all processes that it controls; whoever never had one is told nothing by terminals.
 */
import { closeSync, constants, openSync } from 'node:fs';

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDONLY | constants.O_NOCTTY));
    return true;
  } catch {
    return false;
  }
}

/** To be called while the terminal is there; what it gives tells whether it has gone since. */
export function watchTerminal(): () => boolean {
  const hadOne = hasTerminal();
  return () => hadOne && !hasTerminal();
}
