import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '#base/clock';
import { systemRandom } from '#base/random';
import { assertJournalName, fileNameOf, firstSequenceOf, isJournalOf, makeJournalId } from './file-names.ts';

test('ids belong to their name alone, and sort by age', () => {
  const clock = createManualClock();
  const older = makeJournalId('clicks', { clock, random: systemRandom });
  clock.advance(1);
  const younger = makeJournalId('clicks', { clock, random: systemRandom });
  assert(older < younger);
  assert(isJournalOf('clicks', older));
  assert(!isJournalOf('click', older));
  assert(!isJournalOf('clicks_eu', older));
  assert(!isJournalOf('clicks', 'clicks-copy'));
});

test('a file is named by journal and first sequence, and files sort by it', () => {
  const names = [0, 9, 10, 2 ** 48].map((first) => fileNameOf('clicks-1', first));
  assert.deepEqual(names.toSorted(), names);
  assert.deepEqual(
    names.map((name) => firstSequenceOf('clicks-1', name)),
    [0, 9, 10, 2 ** 48],
  );
  for (const entry of ['server.lock', 'clicks-2.0000000000000000.journal', `${names[0]}.tmp`]) {
    assert.equal(firstSequenceOf('clicks-1', entry), undefined);
  }
});

test('a name that is no name is refused', () => {
  for (const name of ['', 'Clicks', 'clicks-eu', '../clicks', 'x'.repeat(32)]) {
    assert.throws(() => assertJournalName(name), /not the name/);
  }
});
