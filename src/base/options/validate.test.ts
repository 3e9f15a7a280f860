import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import Type, { type TSchema } from 'typebox';
import { Check, Default, Errors } from 'typebox/value';
import { compileSchema, fillDefaults, fitsSchema } from './validate.ts';

const Inner = Type.Object({ n: Type.Integer({ default: 3 }), word: Type.Optional(Type.String()) });
const schemas: TSchema[] = [
  Type.Object({ a: Type.String({ default: 'x' }), b: Type.Optional(Type.Integer()), inner: Inner }),
  Type.Object({ inner: Type.Object(Inner.properties, { default: {}, additionalProperties: false }) }),
  Type.Object({ list: Type.Array(Inner, { default: [{}] }) }),
  Type.Object({ either: Type.Union([Type.Literal('none'), Inner], { default: 'none' }) }),
  Type.Union([Type.Integer(), Inner, Type.Null()]),
];
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('x', 'none', null, 1, 2.5, true),
    fc.array(tie('any'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'inner', 'list', 'either', 'n', 'word'), tie('any')),
  ),
})).any;

const asJson = (given: unknown) => JSON.parse(JSON.stringify(given ?? null));

test('defaults and problems are those of TypeBox itself', () => {
  const property = fc.property(fc.constantFrom(...schemas), value, (schema, drawn) => {
    const given = structuredClone(drawn);
    const before = structuredClone(given);
    const filled = fillDefaults(schema, given);
    assert.deepEqual(given, before, 'what was given is not changed');
    // TypeBox gives a list that stands where an object should be the properties of the object, unseen by JSON.
    assert.deepEqual(asJson(filled), asJson(Default(schema, structuredClone(given))));
    const validator = compileSchema(schema);
    assert.equal(validator.fits(filled), Check(schema, filled));
    assert.equal(fitsSchema(schema, filled), Check(schema, filled));
    assert.deepEqual(validator.problems(filled), [...Errors(schema, filled)]);
  });
  fc.assert(property, { numRuns: 500 });
});

test('a default is not shared', () => {
  const schema = Type.Object({ list: Type.Array(Type.Integer(), { default: [] }) });
  (fillDefaults(schema, {}) as { list: number[] }).list.push(1);
  assert.deepEqual(fillDefaults(schema, {}), { list: [] });
});
