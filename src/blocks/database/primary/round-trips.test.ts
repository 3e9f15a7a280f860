/**
 * What goes over the wire: how often a write waits for Postgres, and what is known when the wire is cut.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '#base/clock';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { parseLsn, parsePosition, unsureIn } from '#blocks/postgres';
import { parseAddress } from '../address.ts';
import { makeTestDatabase, startTestDatabase, startTestPostgres, type TestDatabase } from '../fixture.ts';
import { SUITE_TABLES, shopMigrations } from '../migrate/migrations.fixture.ts';
import type { Transaction } from '../port.ts';
import { type SocketProxy, startSocketProxy } from '../socket-proxy.fixture.ts';
import { sql } from '../sql.ts';
import { ORDINARY, transactOn } from '../transact.ts';
import { createPool } from './pool.ts';
import { createPrimaryTerm } from './primary-term.ts';

const postgres = await startTestPostgres();
const url = await postgres.makeDatabase();
const signal = new AbortController().signal;
const placement = { system: 'shop', workspaceId: '1', bucket: 0 };

let direct: TestDatabase;
let proxied: TestDatabase;
let proxy: SocketProxy;
let throughProxy: string;
before(async () => {
  const migrations = [shopMigrations({ '0001_tables.sql': SUITE_TABLES })];
  direct = await startTestDatabase({ migrations, options: { primary: url } });
  proxy = await startSocketProxy(postgres.socketDirectory);
  throughProxy = url.replace(
    encodeURIComponent(postgres.socketDirectory),
    encodeURIComponent(proxy.directory),
  );
  proxied = await startTestDatabase({ migrations, options: { primary: throughProxy, poolMax: 1 } });
});
after(async () => {
  await proxied.stop();
  await proxy.close();
});

const insert = (name: string) => sql`
  insert into shop.items (workspace_id, bucket, name) values (1, 0, ${name})`;
const transact = <T>(work: (tx: Transaction) => Promise<T>) =>
  proxied.database.transact(placement, { signal }, work);
const isThere = async (name: string) =>
  (await direct.database.core.first(sql`select from shop.items where name = ${name}`)) !== undefined;

test('a write of one statement costs two round trips, prepared or not, and each further statement one', async () => {
  const read = () => proxied.database.reader({ consistency: 'strong' }).first(sql`select 1`);
  await read();
  proxy.takeRoundTrips();
  const cost = async (work: () => Promise<unknown>) => {
    await work();
    return proxy.takeRoundTrips();
  };
  const writeOne = () => transact((tx) => tx.run(insert('one')));
  const writeTwo = () => transact((tx) => tx.run(insert('one')).then(() => tx.run(insert('two'))));
  const writeBoth = () => transact((tx) => Promise.all([tx.run(insert('one')), tx.run(insert('two'))]));
  const writeTrailing = () =>
    transact(async (tx) => {
      await tx.run(insert('one'));
      for (const name of ['two', 'three']) tx.withCommit(tx.run(insert(name)));
    });
  assert.equal(await cost(writeOne), 2);
  assert.equal(await cost(writeOne), 2);
  assert.equal(await cost(writeTrailing), 2);
  assert.equal(await cost(writeTwo), 3);
  assert.equal(await cost(writeBoth), 2);
  assert.equal(await cost(read), 1);
  assert.equal(await cost(() => transact(async () => 'nothing to write')), 0);
});

test('the position of a commit comes with its answer: it costs no round trip', async () => {
  const pool = createPool(
    {
      address: parseAddress(throughProxy),
      role: 'loadstone_app',
      connectionsMax: 1,
      waitMax: 10,
      statementTimeoutMs: 10_000,
    },
    { clock: systemClock, log: silentLog, onFailure() {}, primaryTerm: createPrimaryTerm() },
  );
  const deps = { clock: systemClock, random: systemRandom };
  const positions: string[] = [];
  const write = (onCommit?: (position: string) => void) =>
    transactOn(pool, { begin: ORDINARY, bucket: 0, onCommit }, signal, deps, (tx) => tx.run(insert('here')));
  await write();
  proxy.takeRoundTrips();
  await write();
  assert.equal(proxy.takeRoundTrips(), 2);
  await write((position) => positions.push(position));
  assert.equal(proxy.takeRoundTrips(), 2);
  const [unsure, known] = positions.map((each) => parsePosition(each));
  assert(known);
  assert.deepEqual(unsure, unsureIn(known.term));
  assert.equal(known.term, 1);
  const { lsn } = (await direct.admin.first(sql`select pg_current_wal_insert_lsn()::text as lsn`)) as {
    lsn: string;
  };
  assert(known.lsn <= parseLsn(lsn));
  await pool.close(signal);
});

test('the wire is cut before the commit arrives: outcome_unknown, and it was not written', async () => {
  proxy.cutAt('commit', 'sent');
  await assert.rejects(
    transact((tx) => tx.run(insert('unsent'))),
    { code: 'outcome_unknown' },
  );
  assert.equal(await isThere('unsent'), false);
});

test('the wire is cut after the commit was carried out: the same, and it was written', async () => {
  proxy.cutAt('commit', 'answered');
  await assert.rejects(
    transact((tx) => tx.run(insert('unheard'))),
    { code: 'outcome_unknown' },
  );
  assert.equal(await isThere('unheard'), true);
});

test('the wire is cut before the commit was sent: it is known that nothing was written', async () => {
  proxy.cutAt('unheard of', 'answered');
  await assert.rejects(
    transact((tx) => tx.run(insert('unheard of'))),
    { code: 'database_unavailable' },
  );
  assert.equal(await isThere('unheard of'), false);
});

test('a pooler that drops the role is found out at the start: its connections would have too many rights', async () => {
  for (const role of ['loadstone_app', 'loadstone_system']) {
    proxy.replace(`role=${role}`, `geqo_seed=${'0'.repeat(role.length - 5)}`);
    const { database } = makeTestDatabase({ options: { primary: throughProxy } });
    await assert.rejects(database.start(signal), {
      code: 'database_unsupported',
      message: new RegExp(`connections act as loadstone_super, not ${role}: .*drops the startup parameter`),
    });
  }
});
