/**
 * Keys are placed by the hash, for ever: these are the numbers of other implementations (SMHasher's, and Python's mmh3).
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hash32, mix32 } from './hash.ts';

const SEED = 0x9747b28c;
const anyText = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) });

describe('MurmurHash3 x86-32', () => {
  test('gives what other implementations give', () => {
    for (const [text, plain, seeded] of [
      ['', 0, 0xebb6c228],
      ['a', 0x3c2569b2, 0x7fa09ea6],
      ['ab', 0x9bbfd75f, 0x74875592],
      ['abc', 0xb3dd93fa, 0xc84a62dd],
      ['abcd', 0x43ed676a, 0xf0478627],
      ['abcde', 0xe89b9af6, 0xe915b832],
      ['test', 0xba6bd213, 0x704b81dc],
      ['Hello, world!', 0xc0363e43, 0x24884cba],
      ['The quick brown fox jumps over the lazy dog', 0x2e4ff723, 0x2fa826cd],
      ['user:42', 0xc7a6a375, 0x4cd41df9],
      ['straße', 0x7ce85b05, 0x4cac5744],
      ['日本語', 0xa5a47297, 0x81632475],
      ['🎉 party', 0x6cc303b8, 0x5a4a3da8],
      ['x'.repeat(100), 0x9c78f092, 0x5218c315],
    ] as const) {
      assert.equal(hash32(text), plain, text);
      assert.equal(hash32(text, SEED), seeded, text);
    }
    assert.equal(hash32('', 1), 0x514e28b7);
    assert.equal(hash32('', 0xffffffff), 0x81f16f39);
  });

  test('long text that is not ASCII is hashed whole', () => {
    const long = 'é'.repeat(5000);
    assert.notEqual(hash32(long), hash32(`${long.slice(1)}e`));
    assert.notEqual(hash32(`${long}a`), hash32(`${long}b`));
  });

  test('property: any string, lone surrogates too, has 32 bits, and the same ones as its UTF-8', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const hash = hash32(text);
        assert(Number.isInteger(hash) && hash >= 0 && hash < 2 ** 32);
        assert.equal(hash32(text.toWellFormed()), hash);
      }),
    );
  });

  test('its finalizer loses nothing: it can be undone', () => {
    const unshift = (value: number, by: number) => {
      let out = value;
      for (let shift = by; shift < 32; shift += by) out = value ^ (out >>> by);
      return out;
    };
    const undo = (hash: number) => {
      // The inverses of the two multipliers, modulo 2³².
      let value = Math.imul(unshift(hash, 16), 0x7ed1b41d);
      value = Math.imul(unshift(value, 13), 0xa5cb9243);
      return unshift(value, 16) >>> 0;
    };
    fc.assert(fc.property(fc.nat(0xffff_ffff), (value) => undo(mix32(value)) === value));
  });
});
