/**
 * A system's way to short codes: spaces of its own, and no way to the tables that they are kept in.
 */
import assert from 'node:assert/strict';
import type { Random } from '#base/random';
import type { Queryable } from '#blocks/database';
import { createPostgresCodeSpaces, openCodeSpace } from '#blocks/ids';
import type { SystemDeps } from '#blocks/system';

/** @param core the server's own tables */
export function createCodeOpener({ core, random }: { core: Queryable; random: Random }) {
  const store = createPostgresCodeSpaces(core);
  return (system: string): SystemDeps['codes'] =>
    (name, options) => {
      const isOwn = name === system || name.startsWith(`${system}_`);
      assert(
        isOwn,
        `the code space ${name} of the system ${system} must be called ${system} or begin with ${system}_`,
      );
      return openCodeSpace(name, { store, random }, options);
    };
}
