import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import Type from 'typebox';
import { describeAllowed, listProblems } from './options/schema.ts';
import { optionsSchema, parseOptions } from './options.ts';

const schema = optionsSchema({
  listen: Type.String({ default: '127.0.0.1:8080', pattern: ':', allowed: 'HOST:PORT' }),
  http: optionsSchema({ bodyBytesMax: Type.Integer({ minimum: 1, maximum: 10, default: 5 }) }),
  status: Type.Optional(Type.Union([Type.Literal(301), Type.Literal(302)])),
  systems: Type.Array(Type.String(), { default: ['links'], maxItems: 3 }),
});

test('defaults are filled in at every depth, and the result is frozen', () => {
  const parsed = parseOptions(schema, undefined);
  assert.deepEqual(parsed, { listen: '127.0.0.1:8080', http: { bodyBytesMax: 5 }, systems: ['links'] });
  assert(Object.isFrozen(parsed) && Object.isFrozen(parsed.http) && Object.isFrozen(parsed.systems));
});

test('what is refused is named by path, value and what is allowed, on one line', () => {
  const cases: [unknown, RegExp][] = [
    [{ lisen: 1 }, /^lisen: is not known here \(value 1\); known is listen, http, status, systems$/],
    [{ http: { x: 1 } }, /^http\.x: is not known here \(value 1\); known is bodyBytesMax$/],
    [
      { http: { bodyBytesMax: 11 } },
      /^http\.bodyBytesMax: 11 is not allowed; allowed is an integer from 1 to 10$/,
    ],
    [{ http: { bodyBytesMax: '5' } }, /^http\.bodyBytesMax: "5" is not allowed/],
    [{ http: 3 }, /^http: 3 is not allowed; allowed is an object with bodyBytesMax$/],
    [{ status: 5 }, /^status: 5 is not allowed; allowed is 301 or 302$/],
    [{ systems: ['a', 1] }, /^systems\.1: 1 is not allowed; allowed is a string$/],
    [{ systems: ['a', 'b', 'c', 'd'] }, /^systems: .* allowed is a list of at most 3, each a string$/],
    [{ listen: 'x' }, /^listen: "x" is not allowed; allowed is HOST:PORT$/],
    [[], /^configuration: \[\] is not allowed/],
  ];
  for (const [raw, message] of cases) {
    assert.throws(() => parseOptions(schema, raw), { code: 'option_invalid', message });
  }
  assert.throws(() => parseOptions(schema, { x: 1 }, 'links'), { message: /^links\.x: / });
});

test('property: any input is either parsed or refused with option_invalid', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (raw) => {
      try {
        parseOptions(schema, raw);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'option_invalid');
        assert.doesNotMatch((error as Error).message, /\n/);
      }
    }),
  );
});

test('schemas are read aloud', () => {
  assert.equal(describeAllowed(Type.Integer({ minimum: 1 })), 'an integer of at least 1');
  assert.equal(describeAllowed(Type.Number({ maximum: 2 })), 'a number of at most 2');
  assert.equal(describeAllowed(Type.String({ minLength: 1, maxLength: 1 })), 'a string of 1 to 1 character');
  assert.equal(describeAllowed(Type.Boolean()), 'true or false');
  assert.equal(describeAllowed(Type.Union([Type.String(), Type.Null()])), 'a string or null');
});

test('every problem is listed, unknown keys first', () => {
  const problems = listProblems(schema, { listen: 'a:b', extra: 1, http: { bodyBytesMax: 99 } });
  assert.deepEqual(
    problems.map((problem) => problem.pointer),
    ['/extra', '/http/bodyBytesMax', '/systems'],
  );
});
