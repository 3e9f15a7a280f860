import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import Type from 'typebox';
import {
  assertMadeEvent,
  createEventReader,
  defineEvent,
  type NewEvent,
  streamOf,
} from './event-definition.ts';
import { formatEventType, parseEventType } from './event-type.ts';

const things = { stream: 'things', key: ({ id }: { id: string }) => id };
const made = defineEvent('thing.made', Type.Object({ id: Type.String(), n: Type.Integer() }), things);
const gone = defineEvent('thing.gone', Type.Object({ id: Type.String(), why: Type.String() }), {
  ...things,
  version: 2,
  upgrades: { 1: (old: { id: string }) => ({ ...old, why: 'not told' }) },
});

test('a definition makes the event as it is stored; version 1 is the name alone', () => {
  const { stream, type, key, payload } = made.of({ id: 'a', n: 1 });
  assert.deepEqual(
    { stream, type, key, payload },
    { stream: 'things', type: 'thing.made', key: 'a', payload: { id: 'a', n: 1 } },
  );
  assert.equal(gone.of({ id: 'a', why: 'old' }).type, 'thing.gone@2');
});

test('a payload that does not fit is refused, with what is wrong but not with its values', () => {
  for (const wrong of [{ id: 'a' }, { id: 'a', n: 1.5 }, { id: 'a', n: 'secret' }, null])
    assert.throws(
      () => made.of(wrong as never),
      (error: Error & { code: string; status: number }) => {
        assert.deepEqual([error.code, error.status], ['event_payload_invalid', 500]);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
});

test('a definition reads the present version and those before it, and says what it cannot read', () => {
  const read = (type: string, payload: object) => gone.read({ id: '7', type, payload } as never);
  assert.deepEqual(read('thing.gone@2', { id: 'a', why: 'old' }), { id: 'a', why: 'old' });
  assert.deepEqual(read('thing.gone', { id: 'a' }), { id: 'a', why: 'not told' });
  assert.throws(() => read('thing.gone@3', { id: 'a' }), { code: 'event_version_unknown' });
  assert.throws(() => read('thing.gone@1', { id: 'a' }), { code: 'event_version_unknown' });
  assert.throws(() => read('thing.gone@2', { id: 'a' }), { code: 'event_payload_unreadable' });
  assert.throws(() => read('thing.gone', { id: 1 }), { code: 'event_payload_unreadable' });
  assert.throws(() => read('thing.made', { id: 'a', why: '' }), { code: 'ERR_ASSERTION' });
});

test('a reader gives the events it knows, in their order, with name and version apart, and passes over others', () => {
  const read = createEventReader([made, gone]);
  const stored = [
    { position: '1', type: 'thing.made', payload: { id: 'a', n: 1 } },
    { position: '2', type: 'thing.sold', payload: {} },
    { position: '3', type: 'thing.made.again', payload: {} },
    { position: '4', type: 'thing.gone', payload: { id: 'a' } },
    { position: '5', type: 'thing.gone@2', payload: { id: 'b', why: 'old' } },
  ];
  const seen = read(stored).map((event) => {
    const { position, version } = event;
    // @ts-expect-error: only one of the two has it
    assert.equal(event.payload.n, event.type === 'thing.made' ? 1 : undefined);
    // @ts-expect-error: no event has this name
    assert(!(event.type === 'thing.sold'));
    return event.type === 'thing.made'
      ? [position, version, event.payload.n]
      : [position, version, event.payload.why];
  });
  assert.deepEqual(seen, [
    ['1', 1, 1],
    ['4', 1, 'not told'],
    ['5', 2, 'old'],
  ]);
  assert.throws(() => read([{ type: 'thing.made@2', payload: {} }]), { code: 'event_version_unknown' });
});

test('only what a definition has made is an event to publish', () => {
  const literal = { stream: 'things', type: 'thing.made', key: 'a', payload: { id: 'a', n: 1 } };
  // @ts-expect-error: not made by a definition
  const event: NewEvent = literal;
  assert.throws(() => assertMadeEvent(event), /thing\.made is not made by its definition/);
  // @ts-expect-error: n is missing
  assert.throws(() => made.of({ id: 'a' }));
  // @ts-expect-error: the key is made from what the payload has
  defineEvent('x', Type.Object({ a: Type.String() }), { stream: 'x', key: ({ b }) => b });
  assertMadeEvent(made.of({ id: 'a', n: 1 }));
});

test('names that leave no room for the version, and events of several streams or twice, are programmer errors', () => {
  for (const name of ['', 'Thing', 'a@2', 'a b', 'a'.repeat(91)])
    assert.throws(() => defineEvent(name, Type.Object({}), { stream: 'x', key: () => 'k' }), name);
  const elsewhere = defineEvent('other', Type.Object({}), { stream: 'others', key: () => 'k' });
  assert.throws(() => streamOf([made, elsewhere]), /another stream/);
  assert.throws(() => streamOf([made, made]), /twice/);
  assert.throws(() => streamOf([]), /at least one/);
  assert.equal(streamOf([made, gone]), 'things');
});

test('a type is read as it was written, whatever the name and the version', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z][a-z0-9_.-]{0,89}$/),
      fc.integer({ min: 1, max: 9999 }),
      (name, version) => {
        const type = formatEventType(name, version);
        assert(type.length <= 100);
        assert.deepEqual(parseEventType(type), { name, version });
        if (version === 1) assert.equal(type, name);
      },
    ),
  );
  for (const type of ['a@', 'a@0', 'a@1', 'a@02', 'a@2x', 'a@2@3', 'a@10000', 'a@-2'])
    assert(Number.isNaN(parseEventType(type).version), type);
});
