import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Type from 'typebox';
import { eventually } from '#base/testing/eventually.fixture';
import type { TestDatabase } from '#fixtures/database';
import { defineEvent } from './event-definition.ts';
import { type LogProcess, startLogDatabase, startLogProcess } from './log.fixture.ts';

let started: TestDatabase;
let process: LogProcess;
before(async () => {
  started = await startLogDatabase();
  process = await startLogProcess(started.database);
});
after(() => process.streams.stop(AbortSignal.abort(new Error('the test is over'))));

const things = { stream: 'things', key: ({ n }: { n: number }) => `k${n}` };
const Numbered = Type.Object({ n: Type.Integer() });
const made = defineEvent('thing.made', Numbered, things);
const sold = defineEvent('thing.sold', Type.Object({ n: Type.Integer(), price: Type.Integer() }), {
  ...things,
  version: 2,
  upgrades: { 1: (old: { n: number }) => ({ ...old, price: 0 }) },
});

test('whoever follows is given the events of its definitions, typed; one that cannot be read ends it', async () => {
  const stream = await process.streams.declare('things', 4);
  const seen: string[] = [];
  const ended: unknown[] = [];
  const tail = await process.streams.follow([made, sold], {
    after: 'latest',
    onEvents(events) {
      for (const { type, version, payload } of events)
        seen.push(`${type} ${version} ${JSON.stringify(payload)}`);
      // @ts-expect-error: no definition has this field
      for (const { payload } of events) assert.equal(payload.colour, undefined);
    },
    onEnd: (error) => ended.push(error),
  });
  const told = (type: string, payload: object) => ({ type, key: 'k', payload: { ...payload } });
  await process.publish(stream, [
    told('thing.made', { n: 1 }),
    told('thing.lost', { n: 2 }),
    told('thing.sold', { n: 3 }),
    told('thing.sold@2', { n: 4, price: 5 }),
  ]);
  await eventually('it has seen them', () => seen.length === 3);
  assert.deepEqual(seen, [
    'thing.made 1 {"n":1}',
    'thing.sold 1 {"n":3,"price":0}',
    'thing.sold 2 {"n":4,"price":5}',
  ]);
  await process.publish(stream, [told('thing.lost', {})]);
  await process.publish(stream, [told('thing.sold@3', { n: 6 })]);
  await eventually('it has ended', () => ended.length === 1);
  assert.equal((ended[0] as { code: string }).code, 'event_version_unknown');
  assert.equal(seen.length, 3);
  await tail.close();
});
