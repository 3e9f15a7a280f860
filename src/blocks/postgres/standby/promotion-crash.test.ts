import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { scratchDirectory } from '../embedded.fixture.ts';
import { crashAt, PROMOTION_FAULTS } from './promotion-crash.fixture.ts';

const directory = join(scratchDirectory({ after: (run) => after(run) }), 'data', 'postgres');

const skip = process.platform === 'linux' ? false : 'nothing ties a child to its parent on this platform';

test('an owner killed when a promotion has been decided: the next start finishes it', { skip }, async (t) => {
  assert.equal(PROMOTION_FAULTS.length, 5);
  await crashAt(t, directory, 'database.promotion_decided', false);
});
