/**
 * What every engine of the database promises about transactions.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock';
import { createDeadline } from '#base/deadline';
import { eventually } from '#base/testing/eventually.fixture';
import { bucketOf } from './buckets.ts';
import { assertPoolIsWhole, sessionsWith, startTestDatabase, type TestDatabase } from './fixture.ts';
import type { Transaction, TransactOptions } from './port.ts';
import { sql } from './sql.ts';

const strong = { consistency: 'strong' } as const;
const signal = new AbortController().signal;
const placement = { system: 'shop', workspaceId: '1', shardKey: 'key' };

const insert = (name: string, stock = 0) => sql`
  insert into shop.items (workspace_id, bucket, name, stock) values (1, 0, ${name}, ${stock})`;
const update = (name: string) => sql`update shop.items set stock = stock + 1 where name = ${name}`;
const stockOf = (name: string) => sql<{ stock: number }>`select stock from shop.items where name = ${name}`;
const backend = sql<{ pid: number }>`select pg_backend_pid() as pid`;

/** Resolves for all when that many have come. */
function barrier(count: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let come = 0;
  return () => {
    come += 1;
    if (come >= count) resolve();
    return promise;
  };
}

/** @param limits `database.poolMax` and `database.waitMax` of that database */
export function transactTests(
  db: () => TestDatabase,
  limits: { connections: number; waiters: number },
): void {
  const shop: Shop = {
    db,
    transact: (work, options = {}) => db().database.transact(placement, { signal, ...options }, work),
    async count(like) {
      const rows = await db().admin.rows(sql`select item_id from shop.items where name like ${like}`);
      return rows.length;
    },
    kill: (pid) => db().admin.run(sql`select pg_terminate_backend(${pid}, 5000)`),
  };
  outcomeTests(shop);
  statementTests(shop);
  deadlineTests(shop);
  lineTests(shop, limits);
  conflictTests(shop);
  lossTests(shop);
}

interface Shop {
  db(): TestDatabase;
  transact<T>(work: (tx: Transaction) => Promise<T>, options?: Partial<TransactOptions>): Promise<T>;
  count(like: string): Promise<number>;
  /** Ends a connection from Postgres's side, and waits until it has. */
  kill(pid: number): Promise<number>;
}

function outcomeTests({ db, transact, count }: Shop): void {
  test('what work has written is there once it is resolved, with the bucket of its shard key', async () => {
    const found = await transact(async (tx) => {
      await tx.run(insert('kept', 1));
      await tx.run(update('kept'));
      assert.equal(tx.bucket, bucketOf('key'));
      return tx.first(stockOf('kept'));
    });
    assert.deepEqual(found, { stock: 2 });
    assert.deepEqual(await db().database.reader(strong).first(stockOf('kept')), { stock: 2 });
  });

  test('a known bucket is taken as it is, and one that does not exist refused', async () => {
    const at = (bucket: number) =>
      db().database.transact(
        { system: 'shop', workspaceId: '1', bucket },
        { signal },
        async (tx) => tx.bucket,
      );
    assert.equal(await at(1023), 1023);
    for (const bucket of [-1, 1024, 1.5, Number.NaN])
      await assert.rejects(at(bucket), { code: 'ERR_ASSERTION' });
  });

  test('when work throws, its error comes out and nothing was written', async () => {
    const failure = new Error('of the work');
    const work = async (tx: Transaction) => {
      await tx.run(insert('thrown'));
      throw failure;
    };
    await assert.rejects(transact(work), failure);
    assert.equal(await count('thrown'), 0);
    await assertPoolIsWhole(db());
  });

  test('when one of several statements at once fails, all are undone', async () => {
    const work = (tx: Transaction) =>
      Promise.all([tx.run(insert('one')), tx.run(insert('two', -1)), tx.run(insert('three'))]);
    await assert.rejects(transact(work), { constraint: 'stock_not_negative' });
    assert.equal(await count('%one%'), 0);
    await assertPoolIsWhole(db());
  });

  test('a failed statement that work swallowed is not committed over', async () => {
    const work = async (tx: Transaction) => {
      await tx.run(insert('swallowed'));
      await tx.run(insert('bad', -1)).catch(() => {});
    };
    await assert.rejects(transact(work), { code: 'database_failed', message: /nothing was written/ });
    assert.equal(await count('swallowed'), 0);
  });

  test('what trails is committed with the rest, and undoes the rest when it fails', async () => {
    await transact(async (tx) => {
      await tx.run(insert('led'));
      tx.withCommit(tx.run(insert('trailed')));
    });
    assert.equal(await count('%led'), 2);
    const work = async (tx: Transaction) => {
      await tx.run(insert('undone'));
      tx.withCommit(tx.run(insert('bad', -1)));
      tx.withCommit(tx.run(insert('after bad')));
    };
    await assert.rejects(transact(work), { constraint: 'stock_not_negative' });
    assert.equal(await count('undone'), 0);
    await assertPoolIsWhole(db());
  });

  test('a commit that Postgres refuses has written nothing, and says why', async () => {
    const sit = (tx: Transaction) => tx.run(sql`insert into shop.seats values (1), (1)`);
    await assert.rejects(transact(sit), { code: '23505', constraint: 'one_per_seat' });
    const doomed = (tx: Transaction) => tx.run(sql`insert into shop.doomed_commits values (1)`);
    await assert.rejects(transact(doomed), { code: 'database_failed' });
    await assertPoolIsWhole(db());
  });

  test('work without a statement costs Postgres nothing, and its error comes out', async () => {
    assert.equal(await transact(async () => 'result'), 'result');
    await assert.rejects(
      transact(() => {
        throw new Error('at once');
      }),
      /at once/,
    );
    await assertPoolIsWhole(db());
  });
}

function statementTests({ db, transact }: Shop): void {
  test('each text is prepared once a connection, whatever its values', async () => {
    const query = (n: number) => sql`select ${n}::integer as prepared_once`;
    const prepared = await transact(async (tx) => {
      for (let n = 0; n < 5; n++) await tx.first(query(n));
      return tx.rows(sql`
        select name like 'q_%' as named, generic_plans + custom_plans as uses
        from pg_prepared_statements where statement like '%prepared_once%' and statement not like '%pg_prepared%'`);
    });
    assert.deepEqual(prepared, [{ named: true, uses: '5' }]);
  });

  test('a transaction that has ended cannot be used: its connection may serve another', async () => {
    let leaked: Transaction | undefined;
    await transact(async (tx) => {
      leaked = tx;
    });
    await assert.rejects(leaked!.run(insert('leaked')), { code: 'ERR_ASSERTION' });
  });

  test('system writes in transactions too, and row security holds for app in them', async () => {
    const who = (role: 'app' | 'system') =>
      transact((tx) => tx.first<{ name: string }>(sql`select current_user as name`), { role });
    assert.deepEqual(await who('system'), { name: 'loadstone_system' });
    assert.deepEqual(await who('app'), { name: 'loadstone_app' });
    const write = transact((tx) => tx.run(sql`insert into shop.secrets values ('mine')`));
    await assert.rejects(write, { code: 'database_failed' });
    await assertPoolIsWhole(db());
  });
}

function deadlineTests({ db, transact, count }: Shop): void {
  test('a deadline in the middle of a statement: undone, gone from Postgres within 2 s, pool whole', async () => {
    const deadline = createDeadline(systemClock, 100);
    const work = async (tx: Transaction) => {
      await tx.run(insert('late'));
      await tx.run(sql`select pg_sleep(30) as slow_write`);
    };
    const beganMs = systemClock.monotonicMs();
    await assert.rejects(transact(work, { signal: deadline.signal }), { code: 'deadline_exceeded' });
    assert(systemClock.monotonicMs() - beganMs < 1000, 'the caller was kept waiting');
    await eventually('it is gone', async () => (await sessionsWith(db(), 'slow_write')).length === 0);
    assert(systemClock.monotonicMs() - beganMs < 2100, 'the statement went on for two seconds');
    assert.equal(await count('late'), 0);
    await assertPoolIsWhole(db());
    assert.deepEqual(db().database.health(), { status: 'ok' });
  });

  test('work that waits for something else does not keep its connection past the deadline', async () => {
    const deadline = createDeadline(systemClock, 50);
    const work = async (tx: Transaction) => {
      await tx.run(insert('stuck'));
      await new Promise(() => {});
    };
    await assert.rejects(transact(work, { signal: deadline.signal }), { code: 'deadline_exceeded' });
    await assertPoolIsWhole(db());
    await eventually('it is undone', async () => (await sessionsWith(db(), 'stuck')).length === 0);
    assert.equal(await count('stuck'), 0);
  });

  test('a deadline that has passed costs Postgres nothing', async () => {
    const passed = transact((tx) => tx.run(insert('passed')), {
      signal: AbortSignal.abort(new Error('late')),
    });
    await assert.rejects(passed, /late/);
    assert.equal(await count('passed'), 0);
  });

  test("Postgres's own limits are deadlines too, and leave the pool whole", async () => {
    const options = { primary: db().url, statementTimeoutMs: 200, poolMax: 3 };
    const limited = await startTestDatabase({ options });
    const exceeding: ((tx: Transaction) => Promise<unknown>)[] = [
      (tx) => tx.run(sql`select pg_sleep(30)`),
      (tx) => tx.run(sql`set local statement_timeout = 20`).then(() => tx.run(sql`select pg_sleep(30)`)),
      async (tx) => {
        const { pid } = (await tx.first(backend))!;
        await eventually('it has ended', () => hasEnded(pid));
        await tx.run(sql`select 1`);
      },
    ];
    for (const work of exceeding) {
      const limitedWork = limited.database.transact(placement, { signal }, work);
      await assert.rejects(limitedWork, { code: 'deadline_exceeded' });
      await assertPoolIsWhole(limited);
      assert.deepEqual(limited.database.health(), { status: 'ok' });
    }
    const read = limited.database.reader(strong).rows(sql`select pg_sleep(30)`);
    await assert.rejects(read, { code: 'deadline_exceeded' });
    await limited.stop();
  });

  async function hasEnded(pid: number): Promise<boolean> {
    return (await db().admin.first(sql`select from pg_stat_activity where pid = ${pid}`)) === undefined;
  }
}

function lineTests({ db, transact }: Shop, limits: { connections: number; waiters: number }): void {
  test('past the bound of the line a request is refused at once, and whoever waits is served', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const hold = () => transact((tx) => tx.run(sql`select 1`).then(() => released));
    const holding = Array.from({ length: limits.connections }, hold);
    await eventually('all are in use', async () => {
      const text = await db().metrics.registry.metrics();
      return text.includes(`loadstone_database_connections_in_use{role="app"} ${limits.connections}\n`);
    });
    const waiting = Array.from({ length: limits.waiters }, () => transact((tx) => tx.run(sql`select 1`)));
    await assert.rejects(
      transact(async () => 'one too many'),
      { code: 'database_busy', retryAfterS: 1 },
    );
    release();
    await Promise.all([...holding, ...waiting]);
  });

  test('the bound holds within one tick too', async () => {
    await assertPoolIsWhole(db());
    const many = Array.from({ length: 50 }, () => transact((tx) => tx.run(sql`select 1`)));
    const served = (await Promise.allSettled(many)).filter(({ status }) => status === 'fulfilled');
    assert.equal(served.length, limits.connections + limits.waiters);
  });
}

function conflictTests({ db, transact, count }: Shop): void {
  const serializable = sql`set transaction isolation level serializable`;

  test('of two that cannot be put in order, one is done again, and both are right', async () => {
    let tries = 0;
    const bothRead = barrier(2);
    const writeOnce = async (tx: Transaction) => {
      tries += 1;
      await tx.run(serializable);
      const rows = await tx.rows(sql`select item_id from shop.items where name like 'skew%'`);
      await bothRead();
      await tx.run(insert(`skew ${rows.length}`));
    };
    await Promise.all([transact(writeOnce), transact(writeOnce)]);
    assert(tries >= 3);
    assert.equal(await count('skew 0'), 1);
    assert.equal(await count('skew 1'), 1);
  });

  test('of two that deadlock, one is done again, and both are done', async () => {
    await transact((tx) => Promise.all([tx.run(insert('a')), tx.run(insert('b'))]));
    let tries = 0;
    const bothHoldOne = barrier(2);
    const updateBoth = (first: string, second: string) => async (tx: Transaction) => {
      tries += 1;
      await tx.run(update(first));
      await bothHoldOne();
      await tx.run(update(second));
    };
    await Promise.all([transact(updateBoth('a', 'b')), transact(updateBoth('b', 'a'))]);
    // The victim's second try may take its row again before the one that waited for it wakes: then they deadlock again.
    assert(tries >= 3);
    assert.deepEqual(await db().admin.rows(sql`select stock from shop.items where name in ('a', 'b')`), [
      { stock: 2 },
      { stock: 2 },
    ]);
  });

  test('one that collides every time is given up, and may be tried later', async () => {
    await transact((tx) => tx.run(insert('contended')));
    let tries = 0;
    const collide = async (tx: Transaction) => {
      tries += 1;
      await tx.run(sql`set transaction isolation level repeatable read`);
      await tx.first(stockOf('contended'));
      await transact((other) => other.run(update('contended')));
      await tx.run(update('contended'));
    };
    await assert.rejects(transact(collide), { code: 'database_conflict', status: 503, retryable: true });
    assert.equal(tries, 4);
    assert.deepEqual(await db().database.reader(strong).first(stockOf('contended')), { stock: 4 });
  });
}

function lossTests({ db, transact, count, kill }: Shop): void {
  test('a connection lost before the commit: nothing was written, and the process lives', async () => {
    const work = async (tx: Transaction) => {
      await tx.run(insert('lost'));
      const { pid } = (await tx.first(backend))!;
      await kill(pid);
      await tx.run(update('lost'));
    };
    await assert.rejects(transact(work), { code: 'database_unavailable', retryAfterS: 1 });
    assert.equal(await count('lost'), 0);
    await eventually('health is ok', () => db().database.health().status === 'ok');
    await assertPoolIsWhole(db());
  });

  test('a loss that work swallowed is still known before the commit', async () => {
    const work = async (tx: Transaction) => {
      const { pid } = (await tx.first(backend))!;
      await kill(pid);
      await tx.run(insert('swallowed loss')).catch(() => {});
    };
    await assert.rejects(transact(work), { code: 'database_unavailable' });
    assert.equal(await count('swallowed loss'), 0);
  });

  test('a connection lost while the commit is under way: outcome_unknown', async () => {
    const committing = transact((tx) => tx.run(sql`insert into shop.slow_commits values (1)`));
    const killing = eventually('the commit is under way', async () => {
      const sessions = await sessionsWith(db(), 'commit');
      return sessions.find(({ wait_event }) => wait_event === 'PgSleep');
    }).then(({ pid }) => kill(pid));
    await assert.rejects(committing, { code: 'outcome_unknown', retryAfterS: 1 });
    await killing;
    await eventually('health is ok', () => db().database.health().status === 'ok');
    await assertPoolIsWhole(db());
  });

  test('a deadline while the commit is under way: outcome_unknown', async () => {
    const deadline = createDeadline(systemClock, 200);
    const write = (tx: Transaction) => tx.run(sql`insert into shop.slow_commits values (2)`);
    await assert.rejects(transact(write, { signal: deadline.signal }), { code: 'outcome_unknown' });
    await assertPoolIsWhole(db());
  });
}
