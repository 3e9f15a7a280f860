import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readRepository } from './house.ts';
import { makeReference, staleReferences } from './reference.ts';
import { readTree } from './tree.ts';

const ROOT = join(import.meta.dirname, '..');
const FIXTURES = join(import.meta.dirname, 'fixtures', 'reference');

async function stale(root: string) {
  const tree = readTree(root);
  return staleReferences(tree, await makeReference(root, tree));
}

test('docs/errors.md, docs/faults.md and docs/options.md are what npm run docs would write', async () => {
  const tree = readRepository(ROOT);
  assert.deepEqual(staleReferences(tree, await makeReference(ROOT, tree)), []);
});

test('an error that the reference lacks, and an option without a description, are found', async () => {
  assert.deepEqual(await stale(join(FIXTURES, 'stale')), [
    'docs/options.md:1 the option sample.list[].weight has no description',
    'docs/errors.md:16 should be "### sample_lost": run npm run docs',
    'docs/options.md:1 should be "# Options": run npm run docs',
  ]);
});

test('a reference that is right passes', async () => {
  assert.deepEqual(await stale(join(FIXTURES, 'fresh')), []);
});
