/**
 * Whether a key is somebody's, asked so that callers with wrong keys cost little: keys of one tick share a query over
 * connections that nothing else needs, what is nobody's is remembered for a while, and each address has a budget of keys
 * that do not exist.
 *
 * A key is    known, verified within `TRUST_MS` ──▶ taken without asking
 *             known, longer ago ──▶ asked for before all others, whatever its address has done
 *             remembered as nobody's ──▶ refused without asking, and not counted
 *             new ──▶ counted, asked for, and given back to the budget unless it is nobody's
 */
import type { Clock } from '#base/clock';
import type { Metrics } from '#base/metrics';
import { createLookUps, type Reader, sql } from '#blocks/database';
import { createLimiter, networkOf } from '#blocks/limiter';
import { identityErrors } from './errors.ts';
import { createKnownKeys } from './known-keys.ts';
import type { IdentityLimits } from './options.ts';
import type { Principal } from './principal.ts';

/** How long a verified key is trusted without asking again: the longest that a replaced key goes on working. */
export const TRUST_MS = 5000;
/** How long a key that is nobody's is refused without asking again. */
export const UNKNOWN_MS = 5000;
const KNOWN_MAX = 10_000;
const UNKNOWN_MAX = 10_000;
const WAITING_MAX = 10_000;
const BATCH_MAX = 500;
/** A database that does not answer in this time is treated as one that cannot be reached. */
const LOOK_UP_MS_MAX = 2000;

export interface Verifier {
  /** @param hash of the key @param address of the caller @throws unauthenticated, rate_limited, keys_busy, database_unavailable */
  verify(hash: Buffer, address: string): Promise<Principal>;
  /** Whose it is, if the database has said so lately: then nobody has to wait. */
  trusted(hash: Buffer): Principal | undefined;
  /** For how long ago the database said that it is somebody's; undefined if it has not, or has taken that back. */
  knownForMs(hash: Buffer): number | undefined;
  clear(): void;
}

export interface VerifierDeps {
  clock: Clock;
  metrics?: Metrics;
  /** Of `Database`. */
  anonymous: (signal: AbortSignal) => Reader;
}

interface KeyRow {
  hash: Buffer;
  workspace_id: string;
  key_id: string;
}

const idOf = (hash: Buffer) => hash.toString('latin1');

async function findKeys(ids: readonly string[], reader: Reader): Promise<ReadonlyMap<string, Principal>> {
  const hashes = ids.map((id) => Buffer.from(id, 'latin1'));
  const rows = await reader.rows(
    sql<KeyRow>`select hash, workspace_id, key_id from core.api_keys where hash = any(${hashes}::bytea[])`,
  );
  return new Map(
    rows.map((row) => [idOf(row.hash), { workspaceId: row.workspace_id, keyId: row.key_id }] as const),
  );
}

function unknownKey() {
  return identityErrors.unauthenticated({
    detail: 'the API key is not known',
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });
}

export function createVerifier({ unknownKeys }: IdentityLimits, deps: VerifierDeps): Verifier {
  const { clock } = deps;
  const limiter = createLimiter(
    { name: 'unknown-keys', what: 'unknown API keys from this address', ...unknownKeys },
    deps,
  );
  const keys = createKnownKeys(
    { knownMax: KNOWN_MAX, unknownMax: UNKNOWN_MAX, unknownMs: UNKNOWN_MS },
    { clock },
  );
  const lookUps = createLookUps<Principal>(
    {
      waitingMax: WAITING_MAX,
      batchMax: BATCH_MAX,
      timeoutMs: LOOK_UP_MS_MAX,
      find: (ids, signal) => findKeys(ids, deps.anonymous(signal)),
      refuse: (waiting) =>
        identityErrors.keys_busy({ detail: `${waiting} callers wait for theirs`, retryAfterS: 1 }),
    },
    { clock },
  );
  /** New keys that are being asked for: each counts once, however many requests have it. */
  const meeting = new Map<string, Promise<Principal | undefined>>();

  async function ask(id: string, first?: 'first'): Promise<Principal | undefined> {
    const principal = await lookUps.find(id, first);
    if (principal) keys.keep(id, principal);
    else keys.refuse(id);
    return principal;
  }

  async function askCounted(id: string, network: string): Promise<Principal | undefined> {
    let isNobodys = false;
    try {
      const principal = await ask(id);
      isNobodys = principal === undefined;
      return principal;
    } finally {
      meeting.delete(id);
      if (!isNobodys) limiter.giveBack(network);
    }
  }

  function meet(id: string, address: string): Promise<Principal | undefined> {
    const underWay = meeting.get(id);
    if (underWay) return underWay;
    const network = networkOf(address);
    const decision = limiter.take(network);
    if (!decision.isAllowed) throw limiter.refusal(decision);
    const asked = askCounted(id, network);
    meeting.set(id, asked);
    return asked;
  }

  const trustedIn = (known: ReturnType<typeof keys.known>): Principal | undefined =>
    known && clock.monotonicMs() - known.verifiedMs < TRUST_MS ? known.principal : undefined;

  return {
    trusted: (hash) => trustedIn(keys.known(idOf(hash))),
    async verify(hash, address) {
      const id = idOf(hash);
      const known = keys.known(id);
      const trusted = trustedIn(known);
      if (trusted) return trusted;
      if (!known && keys.isUnknown(id)) throw unknownKey();
      const principal = known ? await ask(id, 'first') : await meet(id, address);
      if (!principal) throw unknownKey();
      return principal;
    },
    knownForMs(hash) {
      const known = keys.known(idOf(hash));
      return known && clock.monotonicMs() - known.verifiedMs;
    },
    clear: keys.clear,
  };
}
