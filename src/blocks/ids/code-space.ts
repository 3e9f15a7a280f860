/**
 * A named space of short codes: a counter leased in blocks, and the permutation that makes codes of it. The
 * key is made with the space and never changes: another key would map new counters onto codes already given.
 */
import assert from 'node:assert/strict';
import type { Random } from '#base/random';
import { CODE_KEY_BYTES, type Codes, createCodes } from './codes.ts';
import type { CodeSpaceOptions } from './options.ts';
import type { CodeSpaceStore } from './store.ts';

export interface CodeCounter {
  /** A number that no other call, in any process, has got or will get. Rejects with what the store throws. */
  next(): Promise<number>;
}

export interface CodeSpace {
  /**
   * A code that this space has not given before: 7 characters of [0-9A-Za-z], later 8. Rejects with what the
   * store throws, or code_space_exhausted.
   */
  next(): Promise<string>;
}

/** What a process has not used of its block when it ends is skipped for ever. */
export function createCodeCounter(
  { blockSize }: CodeSpaceOptions,
  { lease }: { lease: (count: number) => Promise<number> },
): CodeCounter {
  let counter = 0;
  let end = 0;
  let leasing: Promise<void> | undefined;

  async function leaseBlock(): Promise<void> {
    try {
      counter = await lease(blockSize);
      end = counter + blockSize;
    } finally {
      leasing = undefined;
    }
  }

  return {
    async next() {
      while (counter >= end) {
        leasing ??= leaseBlock();
        await leasing;
      }
      return counter++;
    },
  };
}

/**
 * The space `name`, which is made on first use. Nothing is read before the first code is asked for.
 * @param name of the space: small letters, digits and underscores
 */
export function openCodeSpace(
  name: string,
  { store, random }: { store: CodeSpaceStore; random: Random },
  options: CodeSpaceOptions,
): CodeSpace {
  assert.match(name, /^[a-z][a-z0-9_]{0,62}$/, `not the name of a code space: ${name}`);
  const counter = createCodeCounter(options, { lease: (count) => store.lease(name, count) });
  let opening: Promise<Codes> | undefined;

  async function open(): Promise<Codes> {
    try {
      return createCodes({ key: await store.open(name, random.bytes(CODE_KEY_BYTES)) });
    } catch (error) {
      opening = undefined;
      throw error;
    }
  }

  return {
    async next() {
      opening ??= open();
      const codes = await opening;
      return codes.codeOf(await counter.next());
    },
  };
}
