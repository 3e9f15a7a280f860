import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { createMasterKey, loadMasterKey } from './master-key.ts';
import { seededRandom, systemRandom } from './random.ts';

const directory = mkdtempSync(join(tmpdir(), 'ls-key-'));
after(() => rmSync(directory, { recursive: true }));
const file = join(directory, 'master.key');

test('the file is made once, private, and read again', () => {
  const first = loadMasterKey(directory, undefined, systemRandom);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const text = readFileSync(file, 'utf8');
  const second = loadMasterKey(directory, undefined, systemRandom);
  assert.equal(readFileSync(file, 'utf8'), text);
  assert.deepEqual(first.derive('x'), second.derive('x'));
  assert.deepEqual(readdirSync(directory), ['master.key']);
});

test('a file that others may read is refused', () => {
  chmodSync(file, 0o644);
  assert.throws(() => loadMasterKey(directory, undefined, systemRandom), { code: 'master_key_invalid' });
  chmodSync(file, 0o600);
});

test('the environment wins, and is refused unless it is 32 bytes', () => {
  const text = Buffer.alloc(32, 7).toString('base64url');
  const key = loadMasterKey(directory, text, systemRandom);
  assert.deepEqual(key.derive('x'), createMasterKey(Buffer.alloc(32, 7), systemRandom).derive('x'));
  for (const bad of ['', 'short', `${text}x`, text.slice(1), '!'.repeat(43)]) {
    assert.throws(() => loadMasterKey(directory, bad, systemRandom), { code: 'master_key_invalid' }, bad);
  }
});

test('property: what is sealed opens for the same purpose only, and no byte can be changed', () => {
  const key = createMasterKey(Buffer.alloc(32, 1), seededRandom(1));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (plain, at) => {
      const sealed = key.seal('answers', plain);
      assert.deepEqual(new Uint8Array(key.open('answers', sealed)), plain);
      assert.throws(() => key.open('other', sealed), { code: 'sealed_unreadable' });
      const altered = Buffer.from(sealed);
      altered[at % altered.length] = (altered[at % altered.length] as number) ^ 1;
      assert.throws(() => key.open('answers', altered), { code: 'sealed_unreadable' });
    }),
  );
  assert.throws(() => key.open('answers', Buffer.alloc(3)), { code: 'sealed_unreadable' });
});
