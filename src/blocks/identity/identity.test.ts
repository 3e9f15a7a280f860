import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createManualClock, type ManualClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { seededRandom, systemRandom } from '#base/random';
import { sql } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { createIdentity, type Identity, identityMigrations } from './identity.ts';
import { TRUST_MS } from './verify.ts';

const ROOT_KEY = 'a-root-key-of-enough-length';
const HERE = { address: '192.0.2.1' };
const never = () => new AbortController().signal;

describe('identity', () => {
  let it: TestDatabase;
  let clock: ManualClock;
  before(async () => {
    it = await startTestDatabase({ migrations: [identityMigrations] });
    clock = createManualClock();
  });
  after(() => it.stop());

  const make = (rootKey?: string): Identity =>
    createIdentity(
      { rootKey },
      { core: it.database.core, anonymous: it.database.anonymous, clock, random: systemRandom },
    );
  const forget = () => it.database.core.run(sql`update core.api_keys set hash = ${systemRandom.bytes(32)}`);

  lifecycleSuite('identity', async () => make());

  test('the first start makes a key, shows it once, and keeps only its hash', async () => {
    const fresh = await startTestDatabase({ migrations: [identityMigrations] });
    try {
      const { core, anonymous } = fresh.database;
      const first = createIdentity({ rootKey: undefined }, { core, anonymous, clock, random: systemRandom });
      await first.start(never());
      const key = first.takeFirstKey();
      assert.match(key ?? '', /^lsk_[A-Za-z0-9_-]{40}$/);
      assert.equal(first.takeFirstKey(), undefined);
      assert.deepEqual(await first.authenticate(`Bearer ${key}`, HERE), { workspaceId: '1', keyId: 'root' });
      const row = await core.first<{ hash: Buffer }>(sql`select hash from core.api_keys`);
      assert.equal(row?.hash.length, 32);
      const second = createIdentity(
        { rootKey: undefined },
        { core, anonymous, clock, random: seededRandom(1) },
      );
      await second.start(never());
      assert.equal(second.takeFirstKey(), undefined);
    } finally {
      await fresh.stop();
    }
  });

  test('a given root key replaces the one before; other processes refuse the old one in time', async () => {
    const old = make(ROOT_KEY);
    await old.start(never());
    assert.equal((await old.authenticate(`bearer ${ROOT_KEY}`, HERE)).keyId, 'root');
    const changed = make(`${ROOT_KEY}-changed`);
    await changed.start(never());
    await assert.rejects(changed.authenticate(`Bearer ${ROOT_KEY}`, HERE), { code: 'unauthenticated' });
    assert.equal((await changed.authenticate(`Bearer ${ROOT_KEY}-changed`, HERE)).keyId, 'root');
    assert.equal((await old.authenticate(`Bearer ${ROOT_KEY}`, HERE)).keyId, 'root', 'still trusted');
    clock.advance(TRUST_MS);
    await assert.rejects(old.authenticate(`Bearer ${ROOT_KEY}`, HERE), { code: 'unauthenticated' });
    await forget();
  });

  test('root keys that are too short, too long or not visible ASCII are refused', async () => {
    for (const bad of [
      '',
      'short',
      'x'.repeat(23),
      'x'.repeat(257),
      `${'x'.repeat(30)} y`,
      `${'x'.repeat(30)}ü`,
    ]) {
      assert.throws(() => make(bad), { code: 'root_key_invalid' });
    }
  });

  test('headers without a bearer key are refused without asking the database', async () => {
    const identity = make(ROOT_KEY);
    for (const header of [undefined, '', 'Basic abc', 'Bearer', 'Bearer a b', `Bearer ${'x'.repeat(300)}`]) {
      await assert.rejects(identity.authenticate(header, HERE), { code: 'unauthenticated' });
    }
  });
});
