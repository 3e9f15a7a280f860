/**
 * Who calls: API keys of a workspace. So far there is one key, the root key of the default workspace.
 */
import { hash } from 'node:crypto';
import { createDeadline, withSignal } from '#base/deadline';
import { isLoadstoneError } from '#base/errors';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Metrics } from '#base/metrics';
import { parseOptions } from '#base/options';
import type { Runtime } from '#base/runtime';
import { type MigrationSet, type Queryable, type Reader, sql } from '#blocks/database';
import { identityErrors } from './errors.ts';
import { type IdentityLimits, identityOptions } from './options.ts';
import type { Principal } from './principal.ts';
import { createVerifier } from './verify.ts';

/** Where a call comes from. */
export interface CallOrigin {
  /** Of the client; where proxies are trusted, the one that they have named. */
  address: string;
  signal?: AbortSignal;
}

export interface Identity extends Lifecycle {
  /**
   * The principal of an `Authorization` header.
   * @throws unauthenticated; rate_limited when too many unknown keys came from the address; keys_busy,
   *   database_unavailable, deadline_exceeded, or the signal's reason
   */
  authenticate(authorization: string | undefined, caller: CallOrigin): Promise<Principal>;
  /** What `authenticate` would give at once: most callers have called before. */
  known(authorization: string | undefined): Principal | undefined;
  /**
   * Whether the header has one of our keys, for telling the caller what is wrong with the server: where the database
   * cannot be asked within `RECOGNIZE_MS`, a key that it has confirmed within `REMEMBERED_MS` will do. For nothing else.
   */
  recognizes(authorization: string | undefined, caller: CallOrigin): Promise<boolean>;
  /** The key made by this start, if it was the first; given once. */
  takeFirstKey(): string | undefined;
}

export interface IdentityOptions {
  /** Sets the root key, replacing any earlier one. 24 to 256 visible ASCII characters. */
  rootKey: string | undefined;
  /** Default: those of the options. */
  limits?: IdentityLimits;
}

export interface IdentityDeps extends Pick<Runtime, 'clock' | 'random'> {
  core: Queryable;
  /** Of `Database`: what callers who have shown no key yet can cause. */
  anonymous: (signal: AbortSignal) => Reader;
  metrics?: Metrics;
}

export const identityMigrations: MigrationSet = {
  room: 'identity',
  schema: undefined,
  directory: new URL('./migrations/', import.meta.url),
};

const DEFAULT_WORKSPACE_ID = '1';
const ROOT_KEY_ID = 'root';
const KEY_BYTES = 30;
const ROOT_KEY_PATTERN = /^[\x21-\x7e]{24,256}$/;
const BEARER_PATTERN = /^Bearer +([\x21-\x7e]{1,256})$/i;

/** How long after the database has confirmed a key it is recognized, where the database cannot be asked: a day. */
export const REMEMBERED_MS = 86_400_000;
/** A caller who asks what is wrong is not kept waiting for the database. */
const RECOGNIZE_MS = 1000;

const HASHES_MAX = 10_000;

function keyOf(authorization: string | undefined): string | undefined {
  return BEARER_PATTERN.exec(authorization ?? '')?.[1];
}

function hashKey(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

function checkRootKey(key: string): void {
  if (ROOT_KEY_PATTERN.test(key)) return;
  throw identityErrors.root_key_invalid({
    detail: `LOADSTONE_ROOT_KEY: ${key.length} characters; allowed is 24 to 256 visible ASCII characters`,
  });
}

/** Start makes the first key, or sets the one given. @throws root_key_invalid, before anything is started */
export function createIdentity(options: IdentityOptions, deps: IdentityDeps): Identity {
  if (options.rootKey !== undefined) checkRootKey(options.rootKey);
  const verifier = createVerifier(options.limits ?? parseOptions(identityOptions, {}), deps);
  let firstKey: string | undefined;
  /**
   * Of headers whose key is somebody's: to hash it takes longer than all else that is done to know the caller. Whether the key
   * is still trusted is asked each time.
   */
  const hashes = new Map<string, Buffer>();

  async function replaceRootKey(key: string): Promise<void> {
    await deps.core.run(sql`
      insert into core.api_keys (workspace_id, bucket, key_id, hash)
      values (${DEFAULT_WORKSPACE_ID}, 0, ${ROOT_KEY_ID}, ${hashKey(key)})
      on conflict (workspace_id, key_id) do update set hash = excluded.hash where api_keys.hash <> excluded.hash`);
  }

  async function makeFirstKey(): Promise<void> {
    const key = `lsk_${deps.random.bytes(KEY_BYTES).toString('base64url')}`;
    const made = await deps.core.run(sql`
      insert into core.api_keys (workspace_id, bucket, key_id, hash)
      values (${DEFAULT_WORKSPACE_ID}, 0, ${ROOT_KEY_ID}, ${hashKey(key)})
      on conflict (workspace_id, key_id) do nothing`);
    if (made > 0) firstKey = key;
  }

  async function authenticate(authorization: string | undefined, { address, signal }: CallOrigin) {
    const key = keyOf(authorization);
    if (key === undefined) {
      throw identityErrors.unauthenticated({
        detail: 'send the header Authorization: Bearer <API key>',
        headers: { 'www-authenticate': 'Bearer' },
      });
    }
    const verified = verifier.verify(hashKey(key), address);
    return signal ? withSignal(verified, signal) : verified;
  }

  const lifecycle = createLifecycle('identity', {
    async start() {
      if (options.rootKey === undefined) await makeFirstKey();
      else await replaceRootKey(options.rootKey);
    },
    async stop() {
      hashes.clear();
      verifier.clear();
    },
  });

  return {
    ...lifecycle,
    authenticate,
    known(authorization) {
      if (authorization === undefined) return undefined;
      const remembered = hashes.get(authorization);
      if (remembered) return verifier.trusted(remembered);
      const key = keyOf(authorization);
      if (key === undefined) return undefined;
      const hashed = hashKey(key);
      const principal = verifier.trusted(hashed);
      if (principal) {
        if (hashes.size >= HASHES_MAX) hashes.clear();
        hashes.set(authorization, hashed);
      }
      return principal;
    },
    async recognizes(authorization, { address, signal }) {
      const key = keyOf(authorization);
      if (key === undefined) return false;
      const deadline = createDeadline(deps.clock, RECOGNIZE_MS, signal);
      try {
        await authenticate(authorization, { address, signal: deadline.signal });
        return true;
      } catch (error) {
        if (isLoadstoneError(error) && error.status < 500) return false;
        const knownForMs = verifier.knownForMs(hashKey(key));
        return knownForMs !== undefined && knownForMs < REMEMBERED_MS;
      } finally {
        deadline.done();
      }
    },
    takeFirstKey() {
      const key = firstKey;
      firstKey = undefined;
      return key;
    },
  };
}
