/**
 * What callers with wrong keys can cause, and what they cannot.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createManualClock, type ManualClock } from '#base/clock';
import type { LoadstoneError } from '#base/errors';
import { systemRandom } from '#base/random';
import { databaseErrors, type Reader, sql } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { createIdentity, type Identity, identityMigrations, REMEMBERED_MS } from './identity.ts';
import { TRUST_MS, UNKNOWN_MS } from './verify.ts';

const ROOT_KEY = 'a-root-key-of-enough-length';
const QUOTA = 20;
const WINDOW_MS = 10_000;
const GUESSER = { address: '2001:db8:1:2::9' };
const OTHER = { address: '192.0.2.1' };

describe('keys that are nobody’s', () => {
  let it: TestDatabase;
  let clock: ManualClock;
  let identity: Identity;
  /** Keys asked for, by query. */
  let queries: number[];
  /** What happens to a query instead. */
  let outage: (() => Promise<never>) | undefined;
  let guesses = 0;

  before(async () => {
    it = await startTestDatabase({ migrations: [identityMigrations] });
  });
  after(() => it.stop());
  beforeEach(async () => {
    clock = createManualClock();
    identity = make();
    await identity.start(new AbortController().signal);
    queries = [];
    outage = undefined;
  });

  /** The real database, counted, and cut off at will. */
  function watched(signal: AbortSignal): Reader {
    const real = it.database.anonymous(signal);
    return {
      ...real,
      rows(query) {
        queries.push((query.values[0] as unknown[]).length);
        return outage ? outage() : real.rows(query);
      },
    };
  }

  function make(): Identity {
    const limits = { unknownKeys: { quota: QUOTA, windowMs: WINDOW_MS, keysMax: 100 } };
    const deps = { core: it.database.core, anonymous: watched, clock, random: systemRandom };
    return createIdentity({ rootKey: ROOT_KEY, limits }, deps);
  }

  const guess = (caller = GUESSER) => {
    guesses += 1;
    return identity.authenticate(`Bearer a-guess-that-is-wrong-${guesses}`, caller);
  };
  const honest = (caller = GUESSER) => identity.authenticate(`Bearer ${ROOT_KEY}`, caller);

  async function codesOf(asked: readonly Promise<unknown>[]): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const outcome of await Promise.allSettled(asked)) {
      const code = outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as LoadstoneError).code;
      counts[code] = (counts[code] ?? 0) + 1;
    }
    return counts;
  }

  async function useUp(caller = GUESSER): Promise<void> {
    await codesOf(Array.from({ length: QUOTA }, () => guess(caller)));
    await assert.rejects(guess(caller), { code: 'rate_limited' });
  }

  test('those of one tick are one query, and an address may ask for so many', async () => {
    const asked = Array.from({ length: 400 }, () => guess());
    assert.deepEqual(await codesOf(asked), { unauthenticated: QUOTA, rate_limited: 400 - QUOTA });
    assert.deepEqual(queries, [QUOTA]);
  });

  test('a refusal says when to come again, and is true', async () => {
    await useUp();
    const refused = (await guess().catch((error: unknown) => error)) as LoadstoneError;
    assert.equal(refused.status, 429);
    assert.equal(refused.retryAfterS, 1);
    assert.equal(refused.headers['ratelimit-policy'], `"unknown-keys";q=${QUOTA};w=10`);
    assert.equal(refused.headers.ratelimit, '"unknown-keys";r=0;t=1');
    clock.advance((refused.retryAfterS ?? 0) * 1000);
    await assert.rejects(guess(), { code: 'unauthenticated' });
  });

  test('the budget is that of an address: a /64 of IPv6, and nobody else’s', async () => {
    await useUp();
    await assert.rejects(guess({ address: '2001:db8:1:2:ffff::1' }), { code: 'rate_limited' });
    await assert.rejects(guess({ address: '2001:db8:1:3::9' }), { code: 'unauthenticated' });
    await assert.rejects(guess(OTHER), { code: 'unauthenticated' });
    assert.equal((await honest(OTHER)).keyId, 'root');
  });

  test('a key that is known goes on from an address whose budget is used up, also when it is asked for anew', async () => {
    assert.equal((await honest()).keyId, 'root');
    await useUp();
    assert.equal((await honest()).keyId, 'root');
    clock.advance(TRUST_MS);
    await useUp();
    assert.equal((await honest()).keyId, 'root');
  });

  test('a right key that is new is let through while budget is left, and takes nothing of it', async () => {
    await codesOf(Array.from({ length: QUOTA - 1 }, () => guess()));
    for (let i = 0; i < 3; i++) {
      const hash = createHash('sha256').update(`right-key-of-this-test-${i}`).digest();
      await it.admin.run(sql`
        insert into core.api_keys (workspace_id, bucket, key_id, hash) values (1, 0, ${`k${i}`}, ${hash})`);
      const { keyId } = await identity.authenticate(`Bearer right-key-of-this-test-${i}`, GUESSER);
      assert.equal(keyId, `k${i}`);
    }
    await assert.rejects(guess(), { code: 'unauthenticated' });
    await assert.rejects(guess(), { code: 'rate_limited' });
  });

  test('one wrong key again and again is asked for once in a while, and counts once', async () => {
    const same = () => identity.authenticate('Bearer a-key-that-was-mistyped', GUESSER);
    assert.deepEqual(await codesOf(Array.from({ length: 100 }, same)), { unauthenticated: 100 });
    assert.deepEqual(await codesOf(Array.from({ length: 100 }, same)), { unauthenticated: 100 });
    assert.deepEqual(queries, [1]);
    await codesOf(Array.from({ length: QUOTA - 1 }, () => guess()));
    await assert.rejects(guess(), { code: 'rate_limited' });
    await assert.rejects(same(), { code: 'unauthenticated' }, 'a mistyped key is told so, not to slow down');
    clock.advance(UNKNOWN_MS);
    await assert.rejects(same(), { code: 'unauthenticated' });
    assert.equal(queries.length, 3);
  });

  test('without the database nothing is counted, and a known key is recognized for telling reasons', async () => {
    const recognized = (key = ROOT_KEY) => identity.recognizes(`Bearer ${key}`, GUESSER);
    assert.equal(await recognized('a-key-that-is-nobodys'), false);
    assert.equal(await recognized(), true);
    clock.advance(TRUST_MS);
    outage = async () => {
      throw databaseErrors.database_unavailable();
    };
    await assert.rejects(honest(), { code: 'database_unavailable' });
    assert.equal(await recognized(), true);
    assert.equal(await recognized('another-key-that-is-nobodys'), false);
    assert.deepEqual(await codesOf(Array.from({ length: 3 * QUOTA }, () => guess())), {
      database_unavailable: QUOTA,
      rate_limited: 2 * QUOTA,
    });
    await assert.rejects(guess(), { code: 'database_unavailable' }, 'given back');
    clock.advance(REMEMBERED_MS - TRUST_MS - 1);
    assert.equal(await recognized(), true);
    clock.advance(1);
    assert.equal(await recognized(), false);
    outage = undefined;
    assert.equal(await recognized(), true);
    assert.equal(await identity.recognizes(undefined, GUESSER), false);
  });

  test('a database that is silent keeps nobody waiting who asks for reasons', async () => {
    await honest();
    clock.advance(TRUST_MS);
    let isAsked = () => {};
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    outage = () => {
      isAsked();
      return new Promise(() => {});
    };
    const recognized = identity.recognizes(`Bearer ${ROOT_KEY}`, GUESSER);
    await asked;
    clock.advance(1000);
    assert.equal(await recognized, true);
  });

  test('a key that was replaced is recognized no more, once the database could be asked', async () => {
    await honest();
    clock.advance(TRUST_MS);
    await it.admin.run(sql`update core.api_keys set hash = ${systemRandom.bytes(32)} where key_id = 'root'`);
    assert.equal(await identity.recognizes(`Bearer ${ROOT_KEY}`, GUESSER), false);
    outage = async () => {
      throw databaseErrors.database_unavailable();
    };
    clock.advance(UNKNOWN_MS);
    assert.equal(await identity.recognizes(`Bearer ${ROOT_KEY}`, GUESSER), false);
  });
});
