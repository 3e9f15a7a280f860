/**
 * What programs that we start are given, and where they are looked for.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The child gets this and nothing else: our environment may hold keys, and PG… variables change what programs do. */
export const PROGRAM_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
  LC_ALL: 'C',
  TZ: 'UTC',
};

export function findProgram(name: string): string | undefined {
  return PROGRAM_ENVIRONMENT.PATH?.split(delimiter)
    .map((directory) => join(directory, name))
    .find((file) => existsSync(file));
}
