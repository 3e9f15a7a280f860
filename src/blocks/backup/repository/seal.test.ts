import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { CHUNK_BYTES, seal, unseal } from './seal.ts';

const KEY = Buffer.alloc(32, 1);
const SEALED_CHUNK_BYTES = CHUNK_BYTES + 16;

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The bytes in pieces of these sizes, over and over. */
async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] as number;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const sealAll = (plain: Buffer, sizes = [100_000]) => collect(seal(inPieces(plain, sizes), KEY));
const openAll = (sealed: Buffer, sizes = [100_000], key = KEY) =>
  collect(unseal(inPieces(sealed, sizes), key, 'a file'));

const lengths = fc.oneof(
  fc.integer({ min: 0, max: 300_000 }),
  fc.constantFrom(0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES),
);
const pieceSizes = fc.array(fc.integer({ min: 1000, max: 200_000 }), { minLength: 1, maxLength: 5 });

test('what was sealed opens, whatever its length and however it comes in', async () => {
  await fc.assert(
    fc.asyncProperty(lengths, pieceSizes, pieceSizes, async (length, sizes, others) => {
      const plain = randomBytes(length);
      const sealed = await sealAll(plain, sizes);
      assert.equal(sealed.length, length + 16 * Math.max(1, Math.ceil(length / CHUNK_BYTES)));
      assert((await openAll(sealed, others)).equals(plain));
    }),
    { numRuns: 40 },
  );
});

test('a stream that ends early or goes on does not open', async () => {
  await fc.assert(
    fc.asyncProperty(
      lengths,
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      async (length, share) => {
        const sealed = await sealAll(randomBytes(length));
        const cut = sealed.subarray(0, Math.floor(share * sealed.length));
        await assert.rejects(openAll(cut), { code: 'backup_damaged' });
        await assert.rejects(openAll(Buffer.concat([sealed, sealed])), { code: 'backup_damaged' });
      },
    ),
    { numRuns: 40 },
  );
});

test('cut off exactly between chunks, with chunks swapped, or one left out, it does not open', async () => {
  const sealed = await sealAll(randomBytes(3 * CHUNK_BYTES));
  const chunk = (n: number) => sealed.subarray(n * SEALED_CHUNK_BYTES, (n + 1) * SEALED_CHUNK_BYTES);
  const [a, b, c] = [chunk(0), chunk(1), chunk(2)];
  for (const altered of [[a, b], [b, a, c], [a, c], [a, b, b, c], []]) {
    await assert.rejects(openAll(Buffer.concat(altered)), { code: 'backup_damaged' });
  }
});

test('a flipped byte, or another key, does not open', async () => {
  const sealed = await sealAll(randomBytes(100_000));
  await fc.assert(
    fc.asyncProperty(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const altered = Buffer.from(sealed);
      altered[at] = (altered[at] as number) ^ change;
      await assert.rejects(openAll(altered), { code: 'backup_damaged' });
    }),
    { numRuns: 40 },
  );
  await assert.rejects(openAll(sealed, [1000], Buffer.alloc(32, 2)), { code: 'backup_damaged' });
});
