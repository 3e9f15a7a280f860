import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createManualClock, type ManualClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { createMasterKey } from '#base/master-key';
import { parseOptions } from '#base/options';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { sql, type Transaction } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { createIdempotency, type Idempotency, type IdempotentRequest, type Outcome } from './idempotency.ts';
import { idempotencyMigrations } from './migrations.ts';
import { idempotencyOptions } from './options.ts';

const masterKey = createMasterKey(systemRandom.bytes(32), systemRandom);
const never = () => new AbortController().signal;
const OUTCOME: Outcome = { status: 201, headers: { etag: '"1"' }, body: { id: '1', secret: 'very secret' } };

describe('idempotency', () => {
  let it: TestDatabase;
  let clock: ManualClock;
  before(async () => {
    it = await startTestDatabase({ migrations: [idempotencyMigrations] });
    clock = createManualClock();
  });
  after(() => it.stop());

  function make(): Idempotency {
    const options = parseOptions(idempotencyOptions, { retentionMs: 60_000, sweepEveryMs: 1000 });
    return createIdempotency(options, { clock, log: silentLog, masterKey, core: it.database.core });
  }

  function request(
    idempotency: Idempotency,
    key: string,
    body: unknown = {},
    keyId = 'root',
    workspaceId = '1',
  ) {
    return idempotency.identify({ workspaceId, keyId, route: 'POST /v1/links', key }, '/v1/links', body, 7);
  }

  const transact = <T>(work: (tx: Transaction) => Promise<T>) =>
    it.database.transact({ system: 'test', workspaceId: '1', bucket: 7 }, { signal: never() }, work);

  /** The whole life of a request: found, or run and kept. */
  const run = (idempotency: Idempotency, asked: IdempotentRequest, rule: () => Promise<Outcome>) =>
    transact(async (tx) => {
      const earlier = await idempotency.find(tx, asked);
      if (earlier) return { ...earlier, isReplayed: true };
      const outcome = await rule();
      await idempotency.keep(tx, asked, outcome);
      return { ...outcome, isReplayed: false };
    });

  lifecycleSuite('idempotency', async () => make());

  test('the first outcome is given again, and lies sealed in the table', async () => {
    const idempotency = make();
    const asked = request(idempotency, 'first', { a: 1, b: 2 });
    assert.deepEqual(await run(idempotency, asked, async () => OUTCOME), { ...OUTCOME, isReplayed: false });
    const again = request(idempotency, 'first', { b: 2, a: 1 });
    const replayed = await run(idempotency, again, async () => assert.fail('ran twice'));
    assert.deepEqual(replayed, { ...OUTCOME, isReplayed: true });
    const rows = await it.admin.rows<{ outcome: Buffer }>(sql`select outcome from core.idempotency_records`);
    for (const row of rows) assert.equal(row.outcome.includes('secret'), false);
  });

  test('another body is refused; another principal or workspace has keys of its own', async () => {
    const idempotency = make();
    await run(idempotency, request(idempotency, 'scoped', { a: 1 }), async () => OUTCOME);
    await assert.rejects(
      run(idempotency, request(idempotency, 'scoped', { a: 2 }), async () => OUTCOME),
      { code: 'idempotency_key_reused', status: 422 },
    );
    for (const [keyId, workspaceId] of [
      ['other', '1'],
      ['root', '2'],
    ] as const) {
      const other = await run(
        idempotency,
        request(idempotency, 'scoped', { a: 9 }, keyId, workspaceId),
        async () => OUTCOME,
      );
      assert.equal(other.isReplayed, false);
    }
  });

  test('while the first runs, an equal one is refused at once, and goes through after it', async () => {
    const idempotency = make();
    const asked = request(idempotency, 'busy');
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let entered = () => {};
    const running = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const first = run(idempotency, asked, async () => {
      entered();
      await finished;
      return OUTCOME;
    });
    await running;
    await assert.rejects(
      run(idempotency, asked, async () => OUTCOME),
      {
        code: 'idempotency_in_progress',
        status: 409,
        retryAfterS: 1,
      },
    );
    finish();
    assert.equal((await first).isReplayed, false);
    assert.equal((await run(idempotency, asked, async () => assert.fail('ran twice'))).isReplayed, true);
  });

  test('a request that failed is not kept, and may run again', async () => {
    const idempotency = make();
    const asked = request(idempotency, 'failed');
    await assert.rejects(
      run(idempotency, asked, async () => {
        throw new Error('no luck');
      }),
      /no luck/,
    );
    assert.equal((await run(idempotency, asked, async () => OUTCOME)).isReplayed, false);
  });

  test('a record that appears between look-up and insert fails the insert, and is recognised', async () => {
    const idempotency = make();
    const asked = request(idempotency, 'between');
    await run(idempotency, asked, async () => OUTCOME);
    const late = transact((tx) => idempotency.keep(tx, asked, OUTCOME));
    await assert.rejects(late, (error) => idempotency.isRepeated(error));
    assert.equal(idempotency.isRepeated(new Error('other')), false);
  });

  test('64 equal requests at once run the rule once', async () => {
    const idempotency = make();
    let runs = 0;
    const results = await Promise.allSettled(
      Array.from({ length: 64 }, () =>
        run(idempotency, request(idempotency, 'storm'), async () => {
          runs += 1;
          return OUTCOME;
        }),
      ),
    );
    const failed = results.filter((result) => result.status === 'rejected').map((result) => result.reason);
    for (const error of failed) {
      assert(error.code === 'idempotency_in_progress' || idempotency.isRepeated(error), String(error));
    }
    const kept = await it.admin.rows(
      sql`select from core.idempotency_records where record_id = ${request(idempotency, 'storm').recordId}`,
    );
    assert.equal(kept.length, 1);
    assert(results.length - failed.length >= 1 && runs >= 1);
  });

  test('expired records are deleted in batches by the sweep', async () => {
    const idempotency = make();
    await it.admin.run(sql`
      insert into core.idempotency_records (record_id, workspace_id, bucket, request_hash, outcome, created_at)
      select sha256(i::text::bytea), 1, 0, '', '', ${new Date(clock.nowMs() - 60_001)} from generate_series(1, 2500) i`);
    await run(idempotency, request(idempotency, 'young'), async () => OUTCOME);
    await idempotency.start(never());
    clock.advance(1000);
    const young = request(idempotency, 'young').recordId;
    const left = () =>
      it.admin.rows<{ record_id: Buffer }>(sql`
      select record_id from core.idempotency_records where record_id = ${young} or length(outcome) = 0`);
    await eventually('the sweep', async () => (await left()).length === 1);
    assert.deepEqual((await left())[0]?.record_id, young);
    await idempotency.stop(never());
  });
});
