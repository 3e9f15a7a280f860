/**
 * What a process is to its data directory: the one that owns it, with its lock and its Postgres, or one beside the owner.
 */
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import { loadMasterKey, type MasterKey } from '#base/master-key';
import type { Random } from '#base/random';
import { lockDirectory } from '#blocks/postgres';
import { createDataDirectory } from './data-directory.ts';

/** What is given from outside the configuration. */
export interface ServerSecrets {
  rootKey: string | undefined;
  masterKey: string | undefined;
}

/**
 * `join`: the directory, the master key and the database are made and kept by another process.
 * @param owner resolves when that process has done so; rejects when there is none to wait for
 * @param binds `first`: the port is known to be free before anything else, and answers 503 until the start is over. `last`:
 * other processes answer on the same socket, so this one takes no connection before it can serve
 */
export type Ownership =
  | { kind: 'own' }
  | { kind: 'join'; owner: (signal: AbortSignal) => Promise<void>; binds: 'first' | 'last' };

export interface SettleDeps {
  random: Random;
  secrets: ServerSecrets;
  setMasterKey: (key: MasterKey) => void;
}

/**
 * The first part of every server: it has the data directory, and the master key from it.
 * @param locks whether to lock the directory: an embedded Postgres does that itself
 */
export function settleIn(
  dataDirectory: string,
  ownership: Ownership,
  locks: boolean,
  { random, secrets, setMasterKey }: SettleDeps,
): Lifecycle {
  const isShared = ownership.kind === 'join';
  const readKey = () => setMasterKey(loadMasterKey(dataDirectory, secrets.masterKey, random, { isShared }));
  if (ownership.kind === 'join') {
    return createLifecycle('data directory', {
      async start(signal) {
        await ownership.owner(signal);
        readKey();
      },
      async stop() {},
    });
  }
  return createDataDirectory(dataDirectory, (path) => {
    const held = locks ? lockDirectory(path) : { release() {} };
    readKey();
    return held;
  });
}
