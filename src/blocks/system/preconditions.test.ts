import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entityTag, evaluate, parseEntityTags, parsePreconditions } from './preconditions.ts';

const parse = (header: string | string[]) => parseEntityTags('If-Match', header);
const strong = (...opaques: string[]) => opaques.map((opaque) => ({ isWeak: false, opaque }));

describe('entity tags', () => {
  test('lists, weak tags and *, on one line or several', () => {
    const cases: readonly (readonly [string | string[], unknown])[] = [
      ['*', 'any'],
      [' * ', 'any'],
      [',*,', 'any'],
      ['"1"', strong('1')],
      ['""', strong('')],
      ['"1","2"', strong('1', '2')],
      ['"1" , "2",\t"3"', strong('1', '2', '3')],
      [',, "1",,"2" ,', strong('1', '2')],
      [['"1"', '"2", "3"'], strong('1', '2', '3')],
      ['W/"1", "2"', [{ isWeak: true, opaque: '1' }, ...strong('2')]],
      ['"a,b","c"', strong('a,b', 'c')],
      ['"a\\"', strong('a\\')],
      ['"\xe4\x80"', strong('\xe4\x80')],
      ['"W/1"', strong('W/1')],
      ['', []],
      [' , ,', []],
    ];
    for (const [header, tags] of cases) assert.deepEqual(parse(header), tags, JSON.stringify(header));
  });

  test('what is neither is refused', () => {
    const bad = [
      '1',
      'nonsense',
      '"1',
      '1"',
      '"1" "2"',
      '"1"x',
      '"1";"2"',
      '*,"1"',
      '"1",*',
      '*,*',
      '**',
      'w/"1"',
    ];
    for (const header of [
      ...bad,
      'W/ "1"',
      'W/1',
      'W/',
      '"a b"',
      '"a\x7f"',
      "'1'",
      '"1", 2',
      '"1"*',
      '*"1"',
    ]) {
      assert.throws(() => parse(header), { code: 'precondition_malformed', status: 400 }, header);
    }
  });

  test('a long header takes time by its length', () => {
    const many = Array.from({ length: 4000 }, (_, i) => `"${i}"`).join(' , ');
    assert.equal(parse(many).length, 4000);
    assert.throws(() => parse(`${', '.repeat(8000)}x`), { code: 'precondition_malformed' });
    assert.deepEqual(parsePreconditions({ 'if-match': '"7",'.repeat(4000) }).only, [7]);
  });
});

describe('preconditions', () => {
  const at7 = (headers: Record<string, string>) => evaluate(parsePreconditions(headers), 7);

  test('If-Match compares strongly, If-None-Match weakly, and If-Match comes first', () => {
    assert.equal(entityTag(7), '"7"');
    const cases: readonly (readonly [Record<string, string>, string])[] = [
      [{}, 'go'],
      [{ 'if-match': '*' }, 'go'],
      [{ 'if-match': '"7"' }, 'go'],
      [{ 'if-match': '"6", "7"' }, 'go'],
      [{ 'if-match': 'W/"7", "7"' }, 'go'],
      [{ 'if-match': 'W/"7"' }, 'changed'],
      [{ 'if-match': '"6"' }, 'changed'],
      [{ 'if-match': '"07"' }, 'changed'],
      [{ 'if-match': '"7 "'.replace(' ', '') }, 'go'],
      [{ 'if-match': '"7.0", "9999999999", "seven"' }, 'changed'],
      [{ 'if-match': '' }, 'changed'],
      [{ 'if-none-match': '*' }, 'same'],
      [{ 'if-none-match': '"7"' }, 'same'],
      [{ 'if-none-match': 'W/"7"' }, 'same'],
      [{ 'if-none-match': '"5", W/"7"' }, 'same'],
      [{ 'if-none-match': '"6", "8"' }, 'go'],
      [{ 'if-none-match': '' }, 'go'],
      [{ 'if-match': '"7"', 'if-none-match': '"7"' }, 'same'],
      [{ 'if-match': '"6"', 'if-none-match': '"7"' }, 'changed'],
      [{ 'if-match': '*', 'if-none-match': '"6"' }, 'go'],
    ];
    for (const [headers, expected] of cases) assert.equal(at7(headers), expected, JSON.stringify(headers));
  });
});
