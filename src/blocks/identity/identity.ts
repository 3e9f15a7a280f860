/**
 * Who calls: API keys of a workspace. So far there is one key, the root key of the default workspace.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '#base/clock';
import { withSignal } from '#base/deadline';
import { createLifecycle, type Lifecycle } from '#base/lifecycle';
import type { Random } from '#base/random';
import { type MigrationSet, type Queryable, sql } from '#blocks/database';
import { identityErrors } from './errors.ts';

/** On whose behalf a call is made. */
export interface Principal {
  workspaceId: string;
  keyId: string;
}

export interface Identity extends Lifecycle {
  /**
   * The principal of an `Authorization` header.
   * @throws unauthenticated
   */
  authenticate(authorization: string | undefined, signal?: AbortSignal): Promise<Principal>;
  /** The key made by this start, if it was the first; given once. */
  takeFirstKey(): string | undefined;
}

export interface IdentityOptions {
  /** Sets the root key, replacing any earlier one. 24 to 256 visible ASCII characters. */
  rootKey: string | undefined;
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

/** How long a verified key is trusted without asking again: the longest that a replaced key goes on working. */
export const TRUST_MS = 5000;
const TRUSTED_MAX = 10_000;

function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function checkRootKey(key: string): void {
  if (ROOT_KEY_PATTERN.test(key)) return;
  throw identityErrors.root_key_invalid({
    detail: `LOADSTONE_ROOT_KEY: ${key.length} characters; allowed is 24 to 256 visible ASCII characters`,
  });
}

/** Start makes the first key, or sets the one given. @throws root_key_invalid, before anything is started */
export function createIdentity(
  options: IdentityOptions,
  deps: { core: Queryable; clock: Clock; random: Random },
): Identity {
  if (options.rootKey !== undefined) checkRootKey(options.rootKey);
  const trusted = new Map<string, { principal: Principal; untilMs: number }>();
  let firstKey: string | undefined;

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

  async function lookUp(hash: Buffer): Promise<Principal> {
    const row = await deps.core.first<{ workspace_id: string; key_id: string }>(
      sql`select workspace_id, key_id from core.api_keys where hash = ${hash}`,
    );
    if (!row)
      throw identityErrors.unauthenticated({
        detail: 'the API key is not known',
        headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
      });
    return { workspaceId: row.workspace_id, keyId: row.key_id };
  }

  const lifecycle = createLifecycle('identity', {
    async start() {
      if (options.rootKey === undefined) await makeFirstKey();
      else await replaceRootKey(options.rootKey);
    },
    async stop() {
      trusted.clear();
    },
  });

  return {
    ...lifecycle,
    async authenticate(authorization, signal) {
      const key = BEARER_PATTERN.exec(authorization ?? '')?.[1];
      if (key === undefined) {
        throw identityErrors.unauthenticated({
          detail: 'send the header Authorization: Bearer <API key>',
          headers: { 'www-authenticate': 'Bearer' },
        });
      }
      const hash = hashKey(key);
      const cacheKey = hash.toString('latin1');
      const known = trusted.get(cacheKey);
      if (known && known.untilMs > deps.clock.monotonicMs()) return known.principal;
      trusted.delete(cacheKey);
      const principal = await (signal ? withSignal(lookUp(hash), signal) : lookUp(hash));
      if (trusted.size >= TRUSTED_MAX) trusted.clear();
      trusted.set(cacheKey, { principal, untilMs: deps.clock.monotonicMs() + TRUST_MS });
      return principal;
    },
    takeFirstKey() {
      const key = firstKey;
      firstKey = undefined;
      return key;
    },
  };
}
