import { createHash } from 'node:crypto';
import { isLoadstoneError } from '#base/errors';

/** A Lua script, and the name under which servers keep it. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

/** Made once, where it is declared. */
export function createScript(source: string): Script {
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** A server that was restarted knows no script any more. */
export function isUnknownScript(error: unknown): boolean {
  return (
    isLoadstoneError(error) && error.cause instanceof Error && error.cause.message.startsWith('NOSCRIPT')
  );
}
