import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { createManualClock, systemClock } from '#base/clock';
import { lifecycleSuite } from '#base/lifecycle.suite';
import { silentLog } from '#base/log';
import { systemRandom } from '#base/random';
import { eventually } from '#base/testing/eventually.fixture';
import { sql } from '#blocks/database';
import { startTestDatabase, type TestDatabase } from '#fixtures/database';
import { discoveryMigrations } from './migrations.ts';
import { createRegistry, listProcesses } from './registry.ts';
import { createPostgresRegistry, type ProcessState, type RegistryStore } from './store.ts';

const never = new AbortController().signal;
const OPTIONS = { beatMs: 1000, silentMsMax: 5000, forgetMs: 60_000 };

suite('the registry of processes', () => {
  let it: TestDatabase;
  let store: RegistryStore;
  before(async () => {
    it = await startTestDatabase({ migrations: [discoveryMigrations] });
    store = createPostgresRegistry(it.database.core);
  });

  function make({ state = () => 'serving' as ProcessState, clock = systemClock, at = store } = {}) {
    const describe = () => ({
      role: 'all',
      systems: ['links'],
      address: '127.0.0.1:8080',
      version: '0.1.0',
      state: state(),
    });
    return createRegistry(OPTIONS, { clock, random: systemRandom, log: silentLog, store: at, describe });
  }

  const find = async (processId: string) =>
    (await listProcesses(store, OPTIONS)).find((entry) => entry.processId === processId);

  const age = (processId: string, seconds: number) =>
    it.admin.run(sql`
      update core.processes set seen_at = seen_at - make_interval(secs => ${seconds}) where process_id = ${processId}`);

  lifecycleSuite('a registry', async () => make());

  test('lists a process from its start to its stop, as it describes itself', async () => {
    const one = make();
    const two = make();
    await one.start(never);
    await two.start(never);
    const { startedAt, silentMs, ...entry } = (await find(one.processId))!;
    assert.deepEqual(entry, {
      processId: one.processId,
      host: one.processId.split(':')[0],
      pid: process.pid,
      role: 'all',
      state: 'serving',
      systems: ['links'],
      address: '127.0.0.1:8080',
      version: '0.1.0',
      isLive: true,
    });
    assert(silentMs >= 0 && startedAt.getTime() <= Date.now() + 1000);
    await one.stop(never);
    assert.equal(await find(one.processId), undefined);
    assert((await find(two.processId))?.isLive);
    await two.stop(never);
  });

  test('what is announced is seen at once, and what is not at the next beat', async () => {
    const clock = createManualClock();
    let state: ProcessState = 'starting';
    const process = make({ clock, state: () => state });
    await process.start(never);
    state = 'serving';
    await process.announce();
    assert.equal((await find(process.processId))?.state, 'serving');
    state = 'draining';
    clock.advance(OPTIONS.beatMs);
    await eventually('draining', async () => (await find(process.processId))?.state === 'draining');
    await process.stop(never);
  });

  test('a silent process is lost, and is forgotten in the end; one that was only frozen comes back', async () => {
    const [killed, frozen, witness] = [make(), make(), make()];
    for (const each of [killed, frozen, witness]) await each.start(never);
    await age(killed.processId, 6);
    assert.equal((await find(killed.processId))?.isLive, false);
    await age(killed.processId, 60);
    await age(frozen.processId, 70);
    await witness.announce();
    assert.equal(await find(killed.processId), undefined);
    assert.equal(await find(frozen.processId), undefined);
    await frozen.announce();
    assert((await find(frozen.processId))?.isLive);
    for (const each of [killed, frozen, witness]) await each.stop(never);
    assert.equal(await find(killed.processId), undefined);
  });

  test('a database that is away keeps nobody from starting, beating and stopping', async () => {
    const away = async () => {
      throw new Error('away');
    };
    const process = make({ at: { beat: away, remove: away, forget: away, list: away } });
    await process.start(never);
    await process.announce();
    assert.deepEqual(process.health(), { status: 'ok' });
    await process.stop(never);
  });
});
