import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeTestDirectory } from '#fixtures/database';
import { packTar, type TarEntry, unpackTar } from './tar.ts';
import { walkTree } from './tree.ts';

const never = new AbortController().signal;

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function makeTree(directory: string): void {
  mkdirSync(join(directory, 'empty'), { recursive: true });
  mkdirSync(join(directory, 'a', 'b'.repeat(90)), { recursive: true });
  writeFileSync(join(directory, 'a', 'none'), '');
  writeFileSync(join(directory, 'a', 'block'), Buffer.alloc(512, 7));
  writeFileSync(join(directory, 'a', 'b'.repeat(90), 'deep'), Buffer.alloc(1_000_001, 3));
}

test('a tree comes back as it was, from pieces of any size', async () => {
  const source = join(makeTestDirectory(), 'tree');
  makeTree(source);
  const packed = await collect(packTar(walkTree(source, () => 'take', never)));
  for (const size of [511, 512, 70_000, packed.length]) {
    const target = makeTestDirectory();
    await unpackTar(pieces(packed, size), target);
    assert.deepEqual(
      readdirSync(target, { recursive: true }).toSorted(),
      readdirSync(source, { recursive: true }).toSorted(),
    );
    assert(readFileSync(join(target, 'a', 'b'.repeat(90), 'deep')).equals(Buffer.alloc(1_000_001, 3)));
  }
});

test('other programs read it', { skip: spawnSync('tar', ['--version']).status !== 0 }, async () => {
  const source = join(makeTestDirectory(), 'tree');
  makeTree(source);
  const packed = await collect(packTar(walkTree(source, () => 'take', never)));
  const target = makeTestDirectory();
  const run = spawnSync('tar', ['-x', '-C', target], { input: packed, encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  assert.deepEqual(
    readdirSync(target, { recursive: true }).toSorted(),
    readdirSync(source, { recursive: true }).toSorted(),
  );
});

test('a name that leads out of the directory is refused', async () => {
  for (const path of ['../out', '/out', 'a/../../out']) {
    const entry: TarEntry = { kind: 'file', path, bytes: 1, read: () => [Buffer.of(1)] };
    const packed = await collect(packTar([entry]));
    await assert.rejects(unpackTar(pieces(packed, 512), makeTestDirectory()), { code: 'backup_damaged' });
  }
});

test('an archive that was cut off is refused', async () => {
  const entry: TarEntry = { kind: 'file', path: 'a', bytes: 5000, read: () => [Buffer.alloc(5000)] };
  const packed = await collect(packTar([entry]));
  await fc.assert(
    fc.asyncProperty(fc.nat(5632), async (at) => {
      const cut = pieces(packed.subarray(0, at), 1000);
      await assert.rejects(unpackTar(cut, makeTestDirectory()), { code: 'backup_damaged' });
    }),
    { numRuns: 20 },
  );
});
