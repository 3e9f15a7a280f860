/**
 * Short codes: a keyed permutation of a counter, written in base62. Unique because a permutation is; without
 * the key, neither the order of codes nor the next one can be told.
 *
 * Construction: a balanced Feistel network over the smallest even number of bits that holds the domain, with
 * cycle walking back into the domain: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA
 * 2002, methods 2 and 3; ten rounds, as FF1 of NIST SP 800-38G has. It is not FF1 itself, whose rounds need
 * big-number arithmetic: here both halves are plain integers. The round function is AES-256 of one block
 * {length, round, half}, cut to the half's width; each length of code has its own permutation, because the
 * length is in the block.
 */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { idsErrors } from './errors.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
export const CODE_LENGTH_MIN = 7;
/** 62^9 would pass 2^53. */
export const CODE_LENGTH_MAX = 8;
export const CODE_KEY_BYTES = 32;

const ROUNDS = 10;
const BLOCK_BYTES = 16;
/**
 * Codes made at once. A call of AES costs little more for many blocks than for one: code by code, 80,000 a
 * second were made where runs of 32 make 200,000.
 */
const RUN_LENGTH = 256;

/** Replaces each half by a pseudorandom 32-bit number for it and the round. */
export type RoundFunction = (round: number, halves: readonly number[]) => Int32Array;

export interface Codes {
  /**
   * The code of a counter: 7 characters for the first 62^7 counters, then 8. Fast for counters in rising
   * order.
   * @param counter a whole number from 0
   * @throws code_space_exhausted
   */
  codeOf(counter: number): string;
}

export function codesOfLength(length: number): number {
  return ALPHABET.length ** length;
}

/**
 * A bijection on 0 … size − 1, applied to many values at once. A value walks until it is back in the domain:
 * 4 times on average at worst, 1.25 times for 62^7 and 1.29 for 62^8.
 */
export function createPermutation(
  size: number,
  roundFunction: RoundFunction,
): (values: readonly number[]) => number[] {
  const halfBits = Math.ceil(Math.log2(size) / 2);
  assert(size >= 2 && halfBits <= 26, `no such domain: ${size}`);
  const half = 2 ** halfBits;
  const mask = half - 1;

  function encrypt(values: readonly number[]): number[] {
    let left = values.map((value) => Math.floor(value / half));
    let right = values.map((value) => value % half);
    for (let round = 0; round < ROUNDS; round++) {
      const mix = roundFunction(round, right);
      for (let i = 0; i < mix.length; i++) left[i] = left[i]! ^ (mix[i]! & mask);
      [left, right] = [right, left];
    }
    return left.map((bits, i) => bits * half + right[i]!);
  }

  return (values) => {
    const walked = encrypt(values);
    for (;;) {
      const outside = [...walked.keys()].filter((i) => walked[i]! >= size);
      if (outside.length === 0) return walked;
      const further = encrypt(outside.map((i) => walked[i]!));
      outside.forEach((at, i) => {
        walked[at] = further[i]!;
      });
    }
  };
}

/**
 * One cipher object for all calls, because making one costs more than a block. ECB, so each block is by
 * itself.
 */
function createRoundFunction(key: Uint8Array, length: number): RoundFunction {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  return (round, halves) => {
    const blocks = Buffer.alloc(halves.length * BLOCK_BYTES);
    for (let i = 0; i < halves.length; i++) {
      blocks[i * BLOCK_BYTES] = length;
      blocks[i * BLOCK_BYTES + 1] = round;
      blocks.writeUInt32LE(halves[i]!, i * BLOCK_BYTES + 2);
    }
    const mixed = cipher.update(blocks);
    const given = new Int32Array(halves.length);
    for (let i = 0; i < halves.length; i++) given[i] = mixed.readInt32LE(i * BLOCK_BYTES);
    return given;
  };
}

function toBase62(value: number, length: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < length; i++) {
    const digit = rest % ALPHABET.length;
    text = ALPHABET[digit] + text;
    rest = (rest - digit) / ALPHABET.length;
  }
  return text;
}

/** @param key 32 secret bytes, the same for the life of the code space: another key is another permutation */
export function createCodes({ key }: { key: Uint8Array }): Codes {
  assert.equal(key.length, CODE_KEY_BYTES, `a code key has ${CODE_KEY_BYTES} bytes`);
  const domains: { length: number; first: number; size: number; permute: (values: number[]) => number[] }[] =
    [];
  let first = 0;
  for (let length = CODE_LENGTH_MIN; length <= CODE_LENGTH_MAX; length++) {
    const size = codesOfLength(length);
    domains.push({ length, first, size, permute: createPermutation(size, createRoundFunction(key, length)) });
    first += size;
  }
  let run = { from: 0, codes: [] as string[] };

  function makeRun(from: number): string[] {
    const domain = domains.find(({ first, size }) => from < first + size);
    if (!domain) throw idsErrors.code_space_exhausted({ detail: `counter ${from}` });
    const count = Math.min(RUN_LENGTH, domain.first + domain.size - from);
    const values = Array.from({ length: count }, (_, i) => from - domain.first + i);
    return domain.permute(values).map((value) => toBase62(value, domain.length));
  }

  return {
    codeOf(counter) {
      assert(Number.isSafeInteger(counter) && counter >= 0, `not a counter: ${counter}`);
      const ready = run.codes[counter - run.from];
      if (ready !== undefined) return ready;
      run = { from: counter, codes: makeRun(counter) };
      return run.codes[0]!;
    },
  };
}
